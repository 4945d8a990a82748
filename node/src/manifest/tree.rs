//! YAML as a tree in which every key and value knows its line and column.
//!
//! Scalars stay text: what a field takes decides how it is read, so `version: 1.10`
//! stays `1.10` and `country: no` stays `no`.

use super::error::ManifestError;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

/// The largest manifest.
pub(super) const MANIFEST_BYTES_MAX: usize = 256 * 1024;
/// How deep one may nest.
const DEPTH_MAX: usize = 16;

/// A line and a column, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A value and where it begins.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Null,
    /// Text and whether it was written without quotes.
    Scalar(String, bool),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Debug)]
pub(super) struct Key {
    pub(super) place: Place,
    pub(super) name: String,
}

impl Value {
    /// For messages: what was found.
    pub(super) fn describe(&self) -> String {
        match self {
            Value::Null => "nothing".into(),
            Value::Scalar(text, _) => {
                let shown: String = text.chars().take(60).collect();
                format!("{shown:?}")
            }
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a map".into(),
        }
    }
}

/// Reads exactly one document.
pub(super) fn parse(text: &str) -> Result<Node, ManifestError> {
    if text.len() > MANIFEST_BYTES_MAX {
        let message =
            format!("{} bytes are more than the {MANIFEST_BYTES_MAX} that a manifest may have", text.len());
        return Err(ManifestError::new(message));
    }
    let mut events = Events { parser: Parser::new_from_str(text) };
    let mut document = None;
    while let Some((event, place)) = events.next()? {
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart(..) if document.is_some() => {
                return Err(
                    ManifestError::at(place, "a second document begins here").help("give each its own file")
                );
            }
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_) => {
                document = Some(events.node(event, place, 0)?);
            }
            _ => {}
        }
    }
    document.ok_or_else(|| ManifestError::new("the manifest is empty"))
}

struct Events<'a> {
    parser: Parser<'a, serde_saphyr::granit_parser::StrInput<'a>>,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Place)>, ManifestError> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, place_of(&span)))),
            Some(Err(error)) => Err(not_yaml(&error)),
        }
    }

    /// The next event inside a list or a map.
    fn inner(&mut self) -> Result<(Event<'a>, Place), ManifestError> {
        self.next()?.ok_or_else(|| ManifestError::new("the manifest ends in the middle of a value"))
    }

    fn node(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node, ManifestError> {
        if depth > DEPTH_MAX {
            return Err(ManifestError::at(place, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse_extras(anchor, tag.is_some(), place)?;
                let plain = style == ScalarStyle::Plain;
                if plain && matches!(&*text, "" | "~" | "null") {
                    Value::Null
                } else {
                    Value::Scalar(text.into_owned(), plain)
                }
            }
            Event::SequenceStart(_, anchor, tag) => {
                refuse_extras(anchor, tag.is_some(), place)?;
                self.list(depth)?
            }
            Event::MappingStart(_, anchor, tag) => {
                refuse_extras(anchor, tag.is_some(), place)?;
                self.map(depth)?
            }
            _ => return Err(extra("an alias", place)),
        };
        Ok(Node { place, value })
    }

    fn list(&mut self, depth: usize) -> Result<Value, ManifestError> {
        let mut items = Vec::new();
        loop {
            match self.inner()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, place) if is_node(&event) => items.push(self.node(event, place, depth + 1)?),
                _ => {}
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, ManifestError> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut key: Option<Key> = None;
        loop {
            match self.inner()? {
                (Event::MappingEnd, _) => return Ok(Value::Map(entries)),
                (event, place) if is_node(&event) => match key.take() {
                    Some(key) => entries.push((key, self.node(event, place, depth + 1)?)),
                    None => {
                        let Event::Scalar(name, ..) = event else {
                            return Err(ManifestError::at(place, "a field's name must be a text"));
                        };
                        if let Some((first, _)) = entries.iter().find(|(k, _)| k.name == name) {
                            let message =
                                format!("`{name}` is given twice, first on line {}", first.place.line);
                            return Err(ManifestError::at(place, message).help("leave one"));
                        }
                        key = Some(Key { place, name: name.into_owned() });
                    }
                },
                _ => {}
            }
        }
    }
}

fn is_node(event: &Event<'_>) -> bool {
    matches!(event, Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_))
}

fn place_of(span: &Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}

fn not_yaml(error: &ScanError) -> ManifestError {
    let place = Place { line: error.marker().line(), column: error.marker().col() + 1 };
    ManifestError::at(place, format!("this is not YAML: {}", error.info()))
}

fn refuse_extras(anchor: usize, tagged: bool, place: Place) -> Result<(), ManifestError> {
    match (anchor != 0, tagged) {
        (true, _) => Err(extra("an anchor", place)),
        (_, true) => Err(extra("a tag", place)),
        _ => Ok(()),
    }
}

fn extra(what: &str, place: Place) -> ManifestError {
    ManifestError::at(place, format!("{what} is more YAML than a manifest takes"))
        .help("write the value itself")
}
