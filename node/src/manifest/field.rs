//! Fields that take more than their type says: bounds, patterns, and their words when broken.

use super::quantity::Span;
use super::types::{ComponentSource, Near, Preference, ReleasedComponent, Route, Spread};
use orbweave_model::{Label, Selector, WorkloadName, limit};
use orbweave_scheduler::policy;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A version.
pub const VERSION_BYTES_MAX: usize = 64;
/// A host name (RFC 1123).
pub const HOST_BYTES_MAX: usize = 253;
/// The path of a route or of a health check.
pub const PATH_BYTES_MAX: usize = 1_024;
/// Environment variables of one workload.
pub const ENV_MAX: usize = 64;
/// The name of one.
pub const ENV_NAME_BYTES_MAX: usize = 128;
/// The value of one.
pub const ENV_VALUE_BYTES_MAX: usize = 4 * 1024;
/// All names and values together: they travel in the workload's record.
pub const ENV_BYTES_MAX: usize = limit::RECORD_BYTES_MAX - limit::RELEASE_BYTES_MAX - 16 * 1024;
/// Requests at once in one replica.
pub const CONCURRENCY_MAX: u32 = 10_000;

/// The name of a workload, for the schema.
pub(super) const NAME_PATTERN: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
/// A length of time, for the schema.
pub(super) const SPAN_PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$";

/// A text that is read by its type's own rules.
pub(super) fn parsed<'de, T, D>(d: D) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    String::deserialize(d)?.parse().map_err(D::Error::custom)
}

/// The same, where nothing may be given.
pub(crate) fn parsed_option<'de, T, D>(d: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    let text = Option::<String>::deserialize(d)?;
    text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
}

/// A whole number within bounds.
struct Within {
    min: u32,
    max: u32,
}

impl Visitor<'_> for Within {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {} to {}", self.min, self.max)
    }

    fn visit_u32<E: Error>(self, number: u32) -> Result<u32, E> {
        let Self { min, max } = self;
        if (min..=max).contains(&number) {
            return Ok(number);
        }
        Err(E::custom(format!("{number} is out of bounds: {min} to {max} are allowed")))
    }
}

/// A whole number from `min` to `max`.
pub(crate) fn number<'de, D: Deserializer<'de>>(d: D, min: u32, max: u32) -> Result<u32, D::Error> {
    d.deserialize_u32(Within { min, max })
}

/// A list of texts, each read by its type's own rules, so that the error names its place.
pub(crate) fn parsed_list<'de, T, D>(d: D) -> Result<Option<Vec<T>>, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    let items = Vec::<Parsed<T>>::deserialize(d)?;
    Ok(Some(items.into_iter().map(|item| item.0).collect()))
}

struct Parsed<T>(T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        parsed(d).map(Self)
    }
}

/// A list of no more than `max` entries.
fn bounded_list<'de, T, D>(d: D, max: usize, what: &str) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let items = Vec::<T>::deserialize(d)?;
    if items.len() > max {
        return Err(D::Error::custom(format!("{} {what} are more than the {max} allowed", items.len())));
    }
    Ok(items)
}

pub(super) fn replicas<'de, D: Deserializer<'de>>(d: D) -> Result<u32, D::Error> {
    number(d, 1, limit::REPLICAS_MAX)
}

struct Replicas(u32);

impl<'de> Deserialize<'de> for Replicas {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        replicas(d).map(Self)
    }
}

/// The same, where nothing may be given.
pub(super) fn replicas_option<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
    Ok(Option::<Replicas>::deserialize(d)?.map(|replicas| replicas.0))
}

pub(super) fn weight<'de, D: Deserializer<'de>>(d: D) -> Result<u32, D::Error> {
    number(d, 1, policy::WEIGHT_MAX)
}

pub(super) fn concurrency<'de, D: Deserializer<'de>>(d: D) -> Result<u32, D::Error> {
    number(d, 1, CONCURRENCY_MAX)
}

pub(super) fn call_time<'de, D: Deserializer<'de>>(d: D) -> Result<Span, D::Error> {
    Span::of_call(&String::deserialize(d)?).map_err(D::Error::custom)
}

pub(super) fn round_trip<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Span>, D::Error> {
    let text = Option::<String>::deserialize(d)?;
    text.map(|text| Span::of_round_trip(&text).map_err(D::Error::custom)).transpose()
}

/// One entry of a list of conditions; checked by itself, so that the error names its line.
struct Condition(String);

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        match text.parse::<Selector>() {
            Ok(selector) if selector.is_empty() => Err(D::Error::custom("an empty condition")),
            Ok(_) => Ok(Self(text)),
            Err(error) => Err(D::Error::custom(error)),
        }
    }
}

pub(super) fn requires<'de, D: Deserializer<'de>>(d: D) -> Result<Selector, D::Error> {
    let conditions = Vec::<Condition>::deserialize(d)?;
    let joined: Vec<_> = conditions.into_iter().map(|c| c.0).collect();
    joined.join(", ").parse().map_err(D::Error::custom)
}

/// Conditions of which there is at least one.
struct Conditions(Selector);

impl<'de> Deserialize<'de> for Conditions {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let selector = requires(d)?;
        if selector.is_empty() {
            return Err(D::Error::custom("at least one condition is needed, such as `tier=edge`"));
        }
        Ok(Self(selector))
    }
}

pub(super) fn conditions<'de, D: Deserializer<'de>>(d: D) -> Result<Selector, D::Error> {
    Conditions::deserialize(d).map(|conditions| conditions.0)
}

pub(super) fn conditions_option<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Selector>, D::Error> {
    Ok(Option::<Conditions>::deserialize(d)?.map(|conditions| conditions.0))
}

pub(super) fn prefers<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Preference>, D::Error> {
    bounded_list(d, policy::PREFERENCES_MAX, "preferences")
}

pub(super) fn spread<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Spread>, D::Error> {
    bounded_list(d, policy::SPREADS_MAX, "labels to spread over")
}

pub(super) fn apart_from<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<WorkloadName>, D::Error> {
    let names: Vec<Parsed<WorkloadName>> = bounded_list(d, policy::APART_MAX, "workloads")?;
    Ok(names.into_iter().map(|name| name.0).collect())
}

/// One entry of `near`, of which it is known that it names one target.
struct OneTarget(Near);

impl<'de> Deserialize<'de> for OneTarget {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let near = Near::deserialize(d)?;
        let given = [near.workload.is_some(), near.labels.is_some(), near.node.is_some()];
        match given.into_iter().filter(|is_given| *is_given).count() {
            1 => Ok(Self(near)),
            n => Err(D::Error::custom(format!(
                "one of `workload`, `labels` and `node` is needed, but {n} were given"
            ))),
        }
    }
}

pub(super) fn near<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Near>, D::Error> {
    let places: Vec<OneTarget> = bounded_list(d, policy::NEAR_MAX, "places")?;
    Ok(places.into_iter().map(|place| place.0).collect())
}

pub(super) fn route<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Route>, D::Error> {
    let route = Option::<Route>::deserialize(d)?;
    match &route {
        Some(Route { host: None, path: None, .. }) => {
            Err(D::Error::custom("a route needs a `host`, a `path` or both"))
        }
        _ => Ok(route),
    }
}

/// The name of an environment variable.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct EnvName(String);

impl<'de> Deserialize<'de> for EnvName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = String::deserialize(d)?;
        let fine = !name.is_empty()
            && name.len() <= ENV_NAME_BYTES_MAX
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.as_bytes()[0].is_ascii_digit();
        if fine {
            return Ok(Self(name));
        }
        let shown: String = name.chars().take(40).collect();
        Err(D::Error::custom(format!(
            "{shown:?} is no name of a variable: 1 to {ENV_NAME_BYTES_MAX} letters, digits and '_', no digit first"
        )))
    }
}

/// The value of an environment variable: a text, or a number or truth value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvValue(pub String);

impl<'de> Deserialize<'de> for EnvValue {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let value = String::deserialize(d)?;
        if value.len() > ENV_VALUE_BYTES_MAX || value.contains('\0') {
            let message = format!(
                "a value may have {ENV_VALUE_BYTES_MAX} bytes, none of them 0, but has {}",
                value.len()
            );
            return Err(D::Error::custom(message));
        }
        Ok(Self(value))
    }
}

impl JsonSchema for EnvValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EnvValue".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"], "maxLength": ENV_VALUE_BYTES_MAX })
    }
}

pub(super) fn environment<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, EnvValue>, D::Error> {
    let env = BTreeMap::<EnvName, EnvValue>::deserialize(d)?;
    if env.len() > ENV_MAX {
        return Err(D::Error::custom(format!("{} variables are more than the {ENV_MAX} allowed", env.len())));
    }
    let bytes: usize = env.iter().map(|(name, value)| name.0.len() + value.0.len()).sum();
    if bytes > ENV_BYTES_MAX {
        return Err(D::Error::custom(format!(
            "{bytes} bytes in all are more than the {ENV_BYTES_MAX} allowed"
        )));
    }
    Ok(env.into_iter().map(|(name, value)| (name.0, value)).collect())
}

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr, $message:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(pub String);

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    return Ok(Self(text.to_owned()));
                }
                let shown: String = text.chars().take(80).collect();
                Err(format!(concat!("{:?} is no ", $message), shown))
            }
        }
    };
}

checked_text!(
    /// The version of a component: any text without spaces, `0.1.0` or `2026-11-21`.
    Version,
    |text| {
        text.len() <= VERSION_BYTES_MAX
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".+_-".contains(&b))
            && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
    },
    "version: 1 to 64 letters, digits, '.', '+', '_' and '-', a letter or digit first"
);

checked_text!(
    /// The key of a label, or `node` for the nodes themselves.
    LabelKey,
    |text| format!("{text}=x").parse::<Label>().is_ok_and(|label| label.key == text),
    "label's key: 1 to 63 letters, digits, '-', '_', '.' and '/', or `node` for the nodes themselves"
);

checked_text!(
    /// A host name, without a port.
    HostName,
    |text| {
        !text.is_empty()
            && text.len() <= HOST_BYTES_MAX
            && text.split('.').all(|part| part.parse::<WorkloadName>().is_ok())
    },
    "host name: labels of lower-case letters, digits and '-' with '.' between, at most 253 bytes, no port"
);

checked_text!(
    /// A path, or the beginning of one.
    PathPrefix,
    |text| {
        text.starts_with('/')
            && text.len() <= PATH_BYTES_MAX
            && text.bytes().all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#')
    },
    "path: it begins with '/' and has no space, '?' or '#', at most 1024 bytes"
);

impl<'de> Deserialize<'de> for ComponentSource {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = ComponentSource;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, or a map with `file` and `release`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ComponentSource, E> {
                if text.is_empty() {
                    return Err(E::custom("an empty path"));
                }
                Ok(ComponentSource::File(text.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ComponentSource, A::Error> {
                let released = serde::de::value::MapAccessDeserializer::new(map);
                ReleasedComponent::deserialize(released).map(ComponentSource::Released)
            }
        }

        d.deserialize_any(Either)
    }
}

/// Of what is counted in thousandths.
pub(super) fn thousandths_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "number"], "pattern": r"^[0-9]+(\.[0-9]+)?m?$" })
}

pub(super) fn memory_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "number"], "pattern": r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G)?$" })
}

pub(super) fn span_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": SPAN_PATTERN })
}
