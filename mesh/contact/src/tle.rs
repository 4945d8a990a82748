//! Two-line element sets (TLE), as catalogues publish them.
//!
//! Read here rather than by the `sgp4` crate: its reader says neither which line of a file
//! is wrong, nor survives a checksum that is no digit, and a peer may send anything.

use orbweave_model::Wall;
use std::ops::Range;
use std::str::FromStr;
use thiserror::Error;

/// Element sets of one text.
pub const TLE_SETS_MAX: usize = 100_000;
const LINE_CHARS: usize = 69;
const NAME_CHARS_MAX: usize = 64;
const DAY_NS: i128 = 86_400_000_000_000;

/// Mean elements of one satellite, in the units of the format.
#[derive(Debug, Clone, PartialEq)]
pub struct Elements {
    /// The line before the two, or the catalogue number where there is none.
    pub name: String,
    /// NORAD catalogue number; letters of the Alpha-5 scheme are resolved.
    pub catalog_number: u32,
    /// When they were true, in nanoseconds since the Unix epoch: a whole number, since the
    /// format counts hundred-millionths of a day.
    pub epoch_ns: i128,
    /// Drag, in inverse Earth radii.
    pub bstar: f64,
    /// Degrees.
    pub inclination_deg: f64,
    /// Right ascension of the ascending node, degrees.
    pub node_deg: f64,
    /// From 0 to below 1.
    pub eccentricity: f64,
    /// Degrees.
    pub perigee_deg: f64,
    /// Degrees.
    pub mean_anomaly_deg: f64,
    /// Revolutions a day.
    pub mean_motion: f64,
}

impl Elements {
    /// Reads a text of many sets: each two lines, with a name on a line before or without.
    /// Empty lines are skipped. The first fault ends it, with the number of its line.
    pub fn parse_all(text: &str) -> Result<Vec<Elements>, TleError> {
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(i, line)| Line { number: i + 1, text: line.trim_end() })
            .filter(|line| !line.text.is_empty());
        let mut sets = Vec::new();
        while let Some(line) = lines.next() {
            if sets.len() == TLE_SETS_MAX {
                return Err(line.fault(TleFault::TooMany));
            }
            let (name, first) = if line.begins('1') {
                (None, line)
            } else {
                (Some(line.name()?), lines.next().ok_or(line.fault(TleFault::Missing { line: 1 }))?)
            };
            let second = lines.next().ok_or(first.fault(TleFault::Missing { line: 2 }))?;
            sets.push(set(name, first, second)?);
        }
        Ok(sets)
    }

    /// When they were true, to the millisecond.
    pub fn epoch(&self) -> Wall {
        Wall(u64::try_from(self.epoch_ns / 1_000_000).unwrap_or(0))
    }
}

/// What is wrong with a text of element sets, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {fault}")]
pub struct TleError {
    /// Line of the text, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: TleFault,
}

/// What is wrong with a line of an element set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TleFault {
    /// Wrong length.
    #[error("has {0} characters; a line of an element set has 69, and a name at most 64")]
    Length(usize),
    /// Other than ASCII.
    #[error("has characters other than ASCII; an element set has none")]
    NotAscii,
    /// Not the line that should stand here.
    #[error("must be line {0} of an element set, and begin with `{0} `")]
    NotLine(u8),
    /// The text ends within a set.
    #[error("is the last one; line {line} of its element set is missing")]
    Missing {
        /// Which of the two.
        line: u8,
    },
    /// A digit went wrong on the way.
    #[error("ends with checksum {found:?}, but its digits give {expected}: it was damaged or changed")]
    Checksum {
        /// As the line has it.
        found: char,
        /// As the digits give it.
        expected: u8,
    },
    /// A field that is no number, or one that cannot be.
    #[error("{field} in columns {from} to {to} cannot be {text:?}")]
    Field {
        /// What stands there.
        field: &'static str,
        /// First column, from 1.
        from: usize,
        /// Last column.
        to: usize,
        /// What was found.
        text: String,
    },
    /// Lines of two satellites.
    #[error("is of satellite {second}, but the line before it of {first}")]
    OtherSatellite {
        /// Of line 1.
        first: u32,
        /// Of line 2.
        second: u32,
    },
    /// Too many sets.
    #[error("begins set number 100,001; at most 100,000 are read")]
    TooMany,
}

fn set(name: Option<String>, first: Line, second: Line) -> Result<Elements, TleError> {
    first.check('1')?;
    second.check('2')?;
    let number = first.catalog_number()?;
    let other = second.catalog_number()?;
    if number != other {
        return Err(second.fault(TleFault::OtherSatellite { first: number, second: other }));
    }
    Ok(Elements {
        name: name.unwrap_or_else(|| number.to_string()),
        catalog_number: number,
        epoch_ns: first.epoch_ns()?,
        bstar: first.assumed_point_with_exponent("drag term", 53..61)?,
        inclination_deg: second.decimal("inclination", 8..16, 0.0..180.000_1)?,
        node_deg: second.decimal("right ascension of the node", 17..25, 0.0..360.000_1)?,
        eccentricity: second.assumed_point("eccentricity", 26..33)?,
        perigee_deg: second.decimal("argument of perigee", 34..42, 0.0..360.000_1)?,
        mean_anomaly_deg: second.decimal("mean anomaly", 43..51, 0.0..360.000_1)?,
        mean_motion: second.decimal("mean motion", 52..63, 0.000_1..20.0)?,
    })
}

#[derive(Clone, Copy)]
struct Line<'a> {
    number: usize,
    text: &'a str,
}

impl Line<'_> {
    fn fault(self, fault: TleFault) -> TleError {
        TleError { line: self.number, fault }
    }

    fn begins(self, digit: char) -> bool {
        self.text.strip_prefix(digit).is_some_and(|rest| rest.starts_with(' '))
            && self.text.chars().count() == LINE_CHARS
    }

    fn name(self) -> Result<String, TleError> {
        // Some catalogues number the line of the name too.
        let name = self.text.strip_prefix("0 ").unwrap_or(self.text).trim();
        match name.chars().count() {
            1..=NAME_CHARS_MAX => Ok(name.to_owned()),
            chars => Err(self.fault(TleFault::Length(chars))),
        }
    }

    /// After this, every slice by columns is within the line and between characters.
    fn check(self, digit: char) -> Result<(), TleError> {
        if !self.text.is_ascii() {
            return Err(self.fault(TleFault::NotAscii));
        }
        if self.text.len() != LINE_CHARS {
            return Err(self.fault(TleFault::Length(self.text.len())));
        }
        if !self.begins(digit) {
            return Err(self.fault(TleFault::NotLine(if digit == '1' { 1 } else { 2 })));
        }
        let expected = self.text.bytes().take(LINE_CHARS - 1).fold(0, |sum: u32, byte| match byte {
            b'0'..=b'9' => sum + u32::from(byte - b'0'),
            b'-' => sum + 1,
            _ => sum,
        }) % 10;
        let found = self.text.chars().next_back().unwrap_or(' ');
        if found.to_digit(10) != Some(expected) {
            return Err(self.fault(TleFault::Checksum { found, expected: expected as u8 }));
        }
        Ok(())
    }

    fn columns(self, columns: Range<usize>) -> String {
        self.text.get(columns).unwrap_or_default().trim().to_owned()
    }

    fn field(self, field: &'static str, columns: Range<usize>) -> TleError {
        let (from, to) = (columns.start + 1, columns.end);
        self.fault(TleFault::Field { field, from, to, text: self.columns(columns) })
    }

    fn whole<T: FromStr>(self, field: &'static str, columns: Range<usize>) -> Result<T, TleError> {
        let text = self.columns(columns.clone());
        // A sign would be read, but none belongs there.
        let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok());
        number.flatten().ok_or_else(|| self.field(field, columns))
    }

    fn decimal(
        self,
        field: &'static str,
        columns: Range<usize>,
        within: Range<f64>,
    ) -> Result<f64, TleError> {
        let text = self.columns(columns.clone());
        // Signs and exponents would parse too, but none belong there.
        let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let number = plain.then(|| text.parse::<f64>().ok()).flatten();
        number.filter(|n| within.contains(n)).ok_or_else(|| self.field(field, columns))
    }

    /// Digits behind a decimal point that is not written.
    fn assumed_point(self, field: &'static str, columns: Range<usize>) -> Result<f64, TleError> {
        let digits = self.columns(columns.clone());
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let number = plain.then(|| format!("0.{digits}").parse().ok()).flatten();
        number.ok_or_else(|| self.field(field, columns))
    }

    /// Such digits with a sign before, and an exponent of ten behind: ` 12808-3`.
    fn assumed_point_with_exponent(
        self,
        field: &'static str,
        columns: Range<usize>,
    ) -> Result<f64, TleError> {
        let text = self.columns(columns.clone());
        let number = || {
            let (sign, rest) = match text.strip_prefix('-') {
                Some(rest) => ("-", rest),
                None => ("", text.strip_prefix('+').unwrap_or(&text)),
            };
            let (digits, exponent) = rest.split_at_checked(rest.len().checked_sub(2)?)?;
            let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let exponent_digits = exponent.strip_prefix(['-', '+', ' '])?;
            // The decimal text is parsed as a whole, so that it is rounded once.
            (plain(digits) && plain(exponent_digits))
                .then(|| format!("{sign}0.{digits}e{}", exponent.trim()).parse().ok())
                .flatten()
        };
        number().ok_or_else(|| self.field(field, columns))
    }

    /// Five digits, or a letter for ten to thirty-three and four digits (Alpha-5, without I and O).
    fn catalog_number(self) -> Result<u32, TleError> {
        let text = self.columns(2..7);
        let alpha5 = || {
            let letter = text.chars().next()?;
            let tens = "ABCDEFGHJKLMNPQRSTUVWXYZ".chars().position(|c| c == letter)? as u32 + 10;
            let rest = text.get(1..).filter(|r| r.len() == 4 && r.bytes().all(|b| b.is_ascii_digit()))?;
            Some(tens * 10_000 + rest.parse::<u32>().ok()?)
        };
        match alpha5() {
            Some(number) => Ok(number),
            None => self.whole("catalogue number", 2..7),
        }
    }

    /// Two digits of the year (57 and more are of the last century), the day of the year,
    /// and hundred-millionths of it.
    fn epoch_ns(self) -> Result<i128, TleError> {
        let columns = 18..32;
        let fault = || self.field("epoch", columns.clone());
        let year: i128 = self.whole("epoch year", 18..20)?;
        let year = if year < 57 { 2_000 + year } else { 1_900 + year };
        let day: i128 = self.whole("epoch day", 20..23)?;
        let fraction: i128 = self.whole("epoch fraction", 24..32)?;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let point = self.text.get(23..24) == Some(".");
        if !point || day < 1 || day > 365 + i128::from(leap) || year < 1970 {
            return Err(fault());
        }
        // Leap years before this one since 1970; no century that is not one lies in 1970 to 2056.
        let leaps = (year - 1_969) / 4;
        let days = (year - 1_970) * 365 + leaps + day - 1;
        Ok(days * DAY_NS + fraction * (DAY_NS / 100_000_000))
    }
}
