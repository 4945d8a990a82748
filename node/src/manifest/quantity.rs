//! Quantities as people write them: `250m` of a core, `64Mi` of memory, `1h30m`.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The least of a core that a replica can ask for.
pub const CPU_MILLI_MIN: u32 = 1;
/// The most: a thousand cores.
pub const CPU_MILLI_MAX: u32 = 1_000_000;
/// The least memory that a replica can ask for.
pub const MEMORY_BYTES_MIN: u64 = 1 << 20;
/// The most: what a 32-bit WebAssembly memory can address.
pub const MEMORY_BYTES_MAX: u64 = 4 << 30;
/// The shortest time that one request or call may be given.
pub const CALL_TIME_MIN: Duration = Duration::from_millis(1);
/// The longest.
pub const CALL_TIME_MAX: Duration = Duration::from_secs(3_600);
/// The most accelerators that a replica can ask for: a thousand, in thousandths.
pub const ACCELERATOR_MILLI_MAX: u32 = 1_000_000;
/// The shortest round trip that a replica can be bound to.
pub const ROUND_TRIP_MIN: Duration = Duration::from_millis(1);
/// The longest.
pub const ROUND_TRIP_MAX: Duration = Duration::from_secs(3_600);

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not an amount of processor time.
    #[error("{0:?} is no amount of CPU: write cores (2, 0.5) or thousandths of one (500m)")]
    Cpu(String),
    /// Not a number of accelerators.
    #[error("{0:?} is no number of accelerators: write devices (1, 0.5) or thousandths of one (500m)")]
    Accelerator(String),
    /// Not an amount of memory.
    #[error("{0:?} is no amount of memory: write bytes with a unit, such as 64Mi, 1Gi or 500M")]
    Memory(String),
    /// Not a length of time.
    #[error("{0:?} is no length of time: write 500ms, 10s, 5m, 1h, 7d or a sum such as 1h30m")]
    Time(String),
    /// Understood, but outside what is allowed.
    #[error("{given} is out of bounds: {min} to {max} are allowed")]
    Bounds {
        /// What was given.
        given: String,
        /// The least.
        min: String,
        /// The most.
        max: String,
    },
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// `whole.fraction` times `unit`, exactly; none when it is no whole number in the end.
fn scaled(text: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 || text.ends_with('.') {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    if fraction.is_empty() {
        return Some(whole);
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let parts = u128::from(fraction.parse::<u64>().ok()?) * u128::from(unit);
    if !parts.is_multiple_of(scale) {
        return None;
    }
    whole.checked_add(u64::try_from(parts / scale).ok()?)
}

/// Something counted in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thousandths(pub u64);

impl Thousandths {
    /// Reads `2`, `0.5` or `500m`: any amount, for what many replicas have together.
    pub fn any(text: &str, wrong: fn(String) -> QuantityError) -> Result<Self, QuantityError> {
        let milli = match text.strip_suffix('m') {
            Some(milli) => scaled(milli, 1),
            None => scaled(text, 1_000),
        };
        milli.map(Self).ok_or_else(|| wrong(shortened(text)))
    }

    /// Reads `2`, `0.5` or `500m`, within bounds; `wrong` says what it is not.
    fn read(
        text: &str,
        min: u32,
        max: u32,
        wrong: fn(String) -> QuantityError,
    ) -> Result<u32, QuantityError> {
        match u32::try_from(Self::any(text, wrong)?.0) {
            Ok(milli) if (min..=max).contains(&milli) => Ok(milli),
            _ => Err(QuantityError::Bounds {
                given: shortened(text),
                min: Self(min.into()).to_string(),
                max: Self(max.into()).to_string(),
            }),
        }
    }
}

impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            milli if milli.is_multiple_of(1_000) => write!(f, "{}", milli / 1_000),
            milli => write!(f, "{milli}m"),
        }
    }
}

/// Thousandths of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpu(pub u32);

impl FromStr for Cpu {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Thousandths::read(text, CPU_MILLI_MIN, CPU_MILLI_MAX, QuantityError::Cpu).map(Self)
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Thousandths(self.0.into()), f)
    }
}

/// Thousandths of an accelerator; none of it is an amount too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Accelerator(pub u32);

impl FromStr for Accelerator {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Thousandths::read(text, 0, ACCELERATOR_MILLI_MAX, QuantityError::Accelerator).map(Self)
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Thousandths(self.0.into()), f)
    }
}

/// Bytes of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory(pub u64);

const MEMORY_UNITS: [(&str, u64); 8] = [
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
    ("", 1),
];

impl Memory {
    /// Any amount; for what a node has, which is not bounded as a replica's need is.
    pub fn any(text: &str) -> Result<Self, QuantityError> {
        MEMORY_UNITS
            .iter()
            .find_map(|(unit, factor)| scaled(text.strip_suffix(unit)?, *factor))
            .map(Self)
            .ok_or_else(|| QuantityError::Memory(shortened(text)))
    }
}

impl FromStr for Memory {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let memory = Self::any(text)?;
        if (MEMORY_BYTES_MIN..=MEMORY_BYTES_MAX).contains(&memory.0) {
            return Ok(memory);
        }
        Err(QuantityError::Bounds {
            given: shortened(text),
            min: Self(MEMORY_BYTES_MIN).to_string(),
            max: Self(MEMORY_BYTES_MAX).to_string(),
        })
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact =
            MEMORY_UNITS[..4].iter().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor));
        match exact {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A length of time in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

const TIME_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Span {
    /// In milliseconds.
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// Reads the time that one request or call may take, within its bounds.
    pub fn of_call(text: &str) -> Result<Self, QuantityError> {
        text.parse::<Self>()?.bounded(CALL_TIME_MIN, CALL_TIME_MAX)
    }

    /// Reads the round trip that a replica may be away from something, within its bounds.
    pub fn of_round_trip(text: &str) -> Result<Self, QuantityError> {
        text.parse::<Self>()?.bounded(ROUND_TRIP_MIN, ROUND_TRIP_MAX)
    }

    /// The same, if it is neither shorter nor longer than these.
    pub fn bounded(self, min: Duration, max: Duration) -> Result<Self, QuantityError> {
        if (min..=max).contains(&self.0) {
            return Ok(self);
        }
        Err(QuantityError::Bounds {
            given: self.to_string(),
            min: Self(min).to_string(),
            max: Self(max).to_string(),
        })
    }
}

impl FromStr for Span {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let wrong = || QuantityError::Time(shortened(text));
        let mut rest = text;
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let unit_at = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
            let (amount, tail) = rest.split_at(unit_at);
            let unit_end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, after) = tail.split_at(unit_end);
            let (_, factor) = TIME_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
            let millis = scaled(amount, *factor).ok_or_else(wrong)?;
            total = total.checked_add(millis).ok_or_else(wrong)?;
            rest = after;
        }
        if text.is_empty() { Err(wrong()) } else { Ok(Self(Duration::from_millis(total))) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.millis();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, factor) in TIME_UNITS {
            if rest >= factor {
                write!(f, "{}{unit}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

macro_rules! written_as_text {
    ($($type:ident),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
    )*};
}

written_as_text!(Cpu, Accelerator, Memory, Span);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_read_in_cores_and_in_thousandths() {
        for (text, milli) in [("100m", 100), ("1", 1_000), ("0.5", 500), ("2.125", 2_125), ("1000m", 1_000)] {
            assert_eq!(text.parse(), Ok(Cpu(milli)), "{text}");
        }
        for text in ["", "m", "1.5m", "0.0001", "-1", "1e3", ".5", "5.", "one", "1 ", "99999999999999999999"]
        {
            assert_eq!(text.parse::<Cpu>(), Err(QuantityError::Cpu(text.into())), "{text}");
        }
        assert_eq!("0".parse::<Cpu>().unwrap_err().to_string(), "0 is out of bounds: 1m to 1000 are allowed");
    }

    #[test]
    fn accelerators_are_read_as_cpu_is_but_may_be_none() {
        for (text, milli) in [("0", 0), ("1", 1_000), ("0.5", 500), ("500m", 500), ("1000", 1_000_000)] {
            assert_eq!(text.parse(), Ok(Accelerator(milli)), "{text}");
        }
        for text in ["", "m", "1.5m", "-1", "one"] {
            assert_eq!(text.parse::<Accelerator>(), Err(QuantityError::Accelerator(text.into())), "{text}");
        }
        assert_eq!(
            "1001".parse::<Accelerator>().unwrap_err().to_string(),
            "1001 is out of bounds: 0 to 1000 are allowed"
        );
    }

    #[test]
    fn memory_is_read_in_both_kinds_of_unit() {
        for (text, bytes) in [("64Mi", 64 << 20), ("1.5Gi", 3 << 29), ("2M", 2_000_000), ("1048576", 1 << 20)]
        {
            assert_eq!(text.parse(), Ok(Memory(bytes)), "{text}");
        }
        for text in ["", "64MB", "Mi", "-1Mi", "64 Mi", "1e9", "64mi"] {
            assert_eq!(text.parse::<Memory>(), Err(QuantityError::Memory(text.into())), "{text}");
        }
        assert_eq!(
            "64".parse::<Memory>().unwrap_err().to_string(),
            "64 is out of bounds: 1Mi to 4Gi are allowed"
        );
    }

    #[test]
    fn time_is_read_in_units_and_sums() {
        for (text, millis) in
            [("500ms", 500), ("10s", 10_000), ("1h30m", 5_400_000), ("0.5s", 500), ("7d", 604_800_000)]
        {
            assert_eq!(text.parse(), Ok(Span(Duration::from_millis(millis))), "{text}");
        }
        for text in ["", "10", "s", "10 s", "-1s", "1y", "0.1ms", "10sec", "18446744073709551615d"] {
            assert_eq!(text.parse::<Span>(), Err(QuantityError::Time(text.into())), "{text}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for milli in [1, 100, 1_000, 1_500, 1_000_000] {
            assert_eq!(Cpu(milli).to_string().parse(), Ok(Cpu(milli)));
        }
        for milli in [0, 1, 500, 1_000, 1_000_000] {
            assert_eq!(Accelerator(milli).to_string().parse(), Ok(Accelerator(milli)));
        }
        for bytes in [1 << 20, (1 << 20) + 1, 64 << 20, 4 << 30] {
            assert_eq!(Memory(bytes).to_string().parse(), Ok(Memory(bytes)));
        }
        for millis in [0, 1, 999, 1_000, 61_001, 90_061_001] {
            let span = Span(Duration::from_millis(millis));
            assert_eq!(span.to_string().parse(), Ok(span));
        }
    }
}
