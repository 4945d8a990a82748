//! What is wrong with a manifest: where, which field, and what to write instead.

use super::tree::Place;
use std::fmt;
use std::path::PathBuf;

/// Why a manifest was not accepted. Nothing was deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// The file, once it is known which.
    pub file: Option<PathBuf>,
    /// Where in it; none when it is about the file as a whole.
    pub place: Option<Place>,
    /// The field, from the outermost: `spec.resources.cpu`.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl ManifestError {
    /// An error that is about no single field.
    pub(super) fn at(place: Place, message: impl Into<String>) -> Self {
        Self { place: Some(place), ..Self::new(message) }
    }

    /// An error whose place is not known yet.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { file: None, place: None, field: String::new(), message: message.into(), help: None }
    }

    /// Adds what to do.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The error as seen from one level further out.
    pub(super) fn within(mut self, segment: &str, place: Place) -> Self {
        let apart = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        self.field = format!("{segment}{apart}{}", self.field);
        self.place.get_or_insert(place);
        self
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}", file.display())?,
            None => f.write_str("manifest")?,
        }
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ManifestError {}

impl serde::de::Error for ManifestError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("unknown field `{field}`")).help(suggestion(field, expected, "the fields here are"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("{variant:?} is not known here")).help(match expected {
            [only] => format!("write {only}"),
            _ => suggestion(variant, expected, "write one of"),
        })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("the field `{field}` is missing"))
    }
}

/// The name that was probably meant, or all that there are.
fn suggestion(given: &str, known: &[&str], otherwise: &str) -> String {
    let plain = |text: &str| text.to_lowercase().replace(['_', '-'], "");
    let nearest = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&plain(given), &plain(name)), name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4);
    match nearest {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => format!("{otherwise}: {}", known.join(", ")),
    }
}
