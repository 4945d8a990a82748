//! The published JSON Schema, drawn from the types: editors complete and check manifests by it.

use super::types::Manifest;
use schemars::generate::SchemaSettings;

/// Where the schema is published.
const SCHEMA_ID: &str = "https://orbweave.dev/schema/service.v1alpha1.json";

/// The schema as text, with a newline at its end: `docs/schema/service.v1alpha1.json`.
pub fn schema_text() -> String {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Manifest>();
    schema.insert("$id".to_owned(), SCHEMA_ID.into());
    schema.insert("title".to_owned(), "Orbweave service".into());
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
