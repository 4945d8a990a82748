//! Labels of nodes, and selectors over them in the syntax that Kubernetes made common.

use crate::limit;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Why a text is no label or selector. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Not `key=value`.
    #[error("{0:?} is no label: write key=value")]
    Shape(String),
    /// A key or value with a character that it may not have, or too long.
    #[error(
        "{0:?} cannot be a label's key or value: 1 to {max} letters, digits, '-', '_', '.', '/'",
        max = limit::LABEL_BYTES_MAX
    )]
    Word(String),
    /// Not a condition.
    #[error(
        "{0:?} is no condition: write key, !key, key=value, key!=value, key in (a, b) or key notin (a, b)"
    )]
    Condition(String),
    /// More than the named bound.
    #[error("more than {0} {1}")]
    TooMany(usize, &'static str),
}

fn word(text: &str) -> Result<String, LabelError> {
    let fine = !text.is_empty()
        && text.len() <= limit::LABEL_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    if fine { Ok(text.to_owned()) } else { Err(LabelError::Word(text.chars().take(80).collect())) }
}

/// One `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let (key, value) =
            text.split_once('=').ok_or_else(|| LabelError::Shape(text.chars().take(80).collect()))?;
        Ok(Self { key: word(key)?, value: word(value)? })
    }
}

/// The labels of a node, in order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Labels(#[n(0)] BTreeMap<String, String>);

impl Labels {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Key and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Label> for Labels {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        Self(labels.into_iter().map(|l| (l.key, l.value)).collect())
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (key, value)) in self.0.iter().enumerate() {
            write!(f, "{}{key}={value}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Labels {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let mut map = BTreeMap::new();
        for entry in d.map_iter::<&str, &str>()? {
            let (key, value) = entry?;
            if map.len() == limit::LABELS_MAX {
                return Err(minicbor::decode::Error::message("too many labels"));
            }
            let key = word(key).map_err(minicbor::decode::Error::message)?;
            map.insert(key, word(value).map_err(minicbor::decode::Error::message)?);
        }
        Ok(Self(map))
    }
}

/// Conditions that all must hold: `tier=edge, zone in (north, south), !spot`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

impl Term {
    fn holds(&self, labels: &Labels) -> bool {
        match self {
            Term::Exists(key) => labels.get(key).is_some(),
            Term::Absent(key) => labels.get(key).is_none(),
            Term::In(key, values) => labels.get(key).is_some_and(|v| values.iter().any(|w| w == v)),
            Term::NotIn(key, values) => !labels.get(key).is_some_and(|v| values.iter().any(|w| w == v)),
        }
    }
}

impl Term {
    /// Whether no node meets both, seen from this side.
    fn excludes(&self, other: &Term) -> bool {
        match (self, other) {
            (Term::Absent(a), Term::Exists(b) | Term::In(b, _)) => a == b,
            (Term::In(a, values), Term::In(b, others)) => {
                a == b && !values.iter().any(|v| others.contains(v))
            }
            (Term::In(a, values), Term::NotIn(b, others)) => {
                a == b && values.iter().all(|v| others.contains(v))
            }
            _ => false,
        }
    }
}

impl Selector {
    /// Whether every condition holds.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.terms.iter().all(|t| t.holds(labels))
    }

    /// The first condition that does not hold, as text.
    pub fn first_unmet(&self, labels: &Labels) -> Option<String> {
        self.terms.iter().find(|t| !t.holds(labels)).map(ToString::to_string)
    }

    /// Two conditions that no node could meet together, as text.
    pub fn contradiction(&self) -> Option<(String, String)> {
        let pairs =
            self.terms.iter().enumerate().flat_map(|(i, a)| self.terms[i + 1..].iter().map(move |b| (a, b)));
        pairs
            .into_iter()
            .find(|(a, b)| a.excludes(b) || b.excludes(a))
            .map(|(a, b)| (a.to_string(), b.to_string()))
    }

    /// Whether there is no condition.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Adds a condition, written as in the text form.
    pub fn and(&mut self, condition: &str) -> Result<(), LabelError> {
        if self.terms.len() >= limit::SELECTOR_TERMS_MAX {
            return Err(LabelError::TooMany(limit::SELECTOR_TERMS_MAX, "conditions"));
        }
        self.terms.push(condition.parse()?);
        Ok(())
    }
}

impl FromStr for Selector {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let mut selector = Self::default();
        for condition in split_outside_parentheses(text) {
            selector.and(condition)?;
        }
        Ok(selector)
    }
}

/// The parts between commas, those within `in (…)` not counted.
fn split_outside_parentheses(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
}

impl FromStr for Term {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let bad = || LabelError::Condition(text.chars().take(80).collect());
        let text = text.trim();
        if let Some(key) = text.strip_prefix('!') {
            return Ok(Term::Absent(word(key.trim())?));
        }
        if let Some((head, list)) = text.split_once('(') {
            let list = list.strip_suffix(')').ok_or_else(bad)?;
            let values = list.split(',').map(|v| word(v.trim())).collect::<Result<Vec<_>, _>>()?;
            if values.len() > limit::SELECTOR_VALUES_MAX {
                return Err(LabelError::TooMany(limit::SELECTOR_VALUES_MAX, "values"));
            }
            return match head.split_whitespace().collect::<Vec<_>>()[..] {
                [key, "in"] => Ok(Term::In(word(key)?, values)),
                [key, "notin"] => Ok(Term::NotIn(word(key)?, values)),
                _ => Err(bad()),
            };
        }
        if let Some((key, value)) = text.split_once("!=") {
            return Ok(Term::NotIn(word(key.trim())?, vec![word(value.trim())?]));
        }
        if let Some((key, value)) = text.split_once('=') {
            let value = value.strip_prefix('=').unwrap_or(value);
            return Ok(Term::In(word(key.trim())?, vec![word(value.trim())?]));
        }
        Ok(Term::Exists(word(text).map_err(|_| bad())?))
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Term::Exists(key) => write!(f, "{key}"),
            Term::Absent(key) => write!(f, "!{key}"),
            Term::In(key, values) if values.len() == 1 => write!(f, "{key}={}", values[0]),
            Term::NotIn(key, values) if values.len() == 1 => write!(f, "{key}!={}", values[0]),
            Term::In(key, values) => write!(f, "{key} in ({})", values.join(", ")),
            Term::NotIn(key, values) => write!(f, "{key} notin ({})", values.join(", ")),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            write!(f, "{}{term}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

// A selector travels as its text: the one form that people, manifests and the wire share.
impl<C> Encode<C> for Selector {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Selector {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.str()?.parse().map_err(minicbor::decode::Error::message)
    }
}

impl Serialize for Selector {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
