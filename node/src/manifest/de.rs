//! serde over the tree: derived types, errors with the field, its line and its column.

use super::error::ManifestError;
use super::tree::{Key, Node, Value};
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

/// Reads a value of a derived type out of a tree.
pub(super) fn from_node<T: de::DeserializeOwned>(node: &Node) -> Result<T, ManifestError> {
    T::deserialize(De(node)).map_err(|mut e| {
        e.place.get_or_insert(node.place);
        e
    })
}

struct De<'a>(&'a Node);

impl De<'_> {
    fn expected(&self, what: &str) -> ManifestError {
        ManifestError::at(self.0.place, format!("must be {what}, but {} was given", self.0.value.describe()))
    }

    /// A scalar that was written without quotes.
    fn plain(&self) -> Option<&str> {
        match &self.0.value {
            Value::Scalar(text, true) => Some(text),
            _ => None,
        }
    }
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ManifestError> {
            match self.plain().and_then(|text| text.parse::<$type>().ok()) {
                Some(number) => visitor.$visit(number),
                // The visitor knows the bounds of its field.
                None => Err(self.expected(&(&visitor as &dyn de::Expected).to_string())),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for De<'_> {
    type Error = ManifestError;

    // Only for the few types that take either a text or a map.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ManifestError> {
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Scalar(text, _) => visitor.visit_str(text),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ManifestError> {
        match self.plain() {
            Some("true") => visitor.visit_bool(true),
            Some("false") => visitor.visit_bool(false),
            _ => Err(self.expected("true or false")),
        }
    }

    whole_numbers!(
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64
    );

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ManifestError> {
        match &self.0.value {
            Value::Scalar(text, _) => visitor.visit_str(text),
            _ => Err(self.expected("a text")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ManifestError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ManifestError> {
        match self.0.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ManifestError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ManifestError> {
        match &self.0.value {
            Value::List(items) => visitor.visit_seq(Items { rest: items.iter(), index: 0 }),
            _ => Err(self.expected("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ManifestError> {
        match &self.0.value {
            Value::Map(entries) => visitor.visit_map(Entries { rest: entries.iter(), value: None }),
            _ => Err(self.expected("a map")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ManifestError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ManifestError> {
        match &self.0.value {
            Value::Scalar(text, _) => visitor.visit_enum(StrDeserializer::new(text)),
            _ => Err(self.expected("a text")),
        }
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier ignored_any
    }
}

struct Items<'a> {
    rest: std::slice::Iter<'a, Node>,
    index: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = ManifestError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ManifestError> {
        let Some(node) = self.rest.next() else { return Ok(None) };
        let segment = format!("[{}]", self.index);
        self.index += 1;
        seed.deserialize(De(node)).map(Some).map_err(|e| e.within(&segment, node.place))
    }
}

struct Entries<'a> {
    rest: std::slice::Iter<'a, (Key, Node)>,
    value: Option<&'a (Key, Node)>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = ManifestError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ManifestError> {
        let Some(entry) = self.rest.next() else { return Ok(None) };
        self.value = Some(entry);
        let name: StrDeserializer<'_, ManifestError> = entry.0.name.as_str().into_deserializer();
        // The fault lies with the key: its place, and the map that holds it as the field.
        seed.deserialize(name).map(Some).map_err(|mut e| {
            e.place.get_or_insert(entry.0.place);
            e
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ManifestError> {
        let Some((key, node)) = self.value.take() else {
            return Err(ManifestError::new("a value was asked for before its key"));
        };
        seed.deserialize(De(node)).map_err(|e| e.within(&key.name, node.place))
    }
}
