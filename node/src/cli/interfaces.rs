//! What a component imports and exports: for its release statement, and for a clear
//! word when the file is something else. Nothing is trusted because of it.

use wasmparser::{Encoding, Parser, Payload};

/// The interfaces of a component, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interfaces {
    /// What it needs of its host.
    pub imports: Vec<String>,
    /// What it offers.
    pub exports: Vec<String>,
}

/// The export by which a component answers HTTP requests, in the versions that run here.
const HTTP_HANDLER: &str = "wasi:http/incoming-handler@0.2.";

impl Interfaces {
    /// What speaks against a route to this component, with what to do, if anything does.
    pub fn unroutable(&self) -> Option<(String, &'static str)> {
        if self.exports.iter().any(|export| export.starts_with(HTTP_HANDLER)) {
            return None;
        }
        let exports = if self.exports.is_empty() { "nothing".to_owned() } else { self.exports.join(", ") };
        let why = format!("it cannot answer HTTP requests: it exports no {HTTP_HANDLER}x, but {exports}");
        Some((why, "leave `spec.route` out and use `orbweave call`, or build a component that handles HTTP"))
    }
}

/// Why a file is no component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterfacesError {
    /// Not WebAssembly, or broken.
    #[error("this is not WebAssembly: {0}")]
    Malformed(String),
    /// A core module.
    #[error(
        "this is a core module, not a component; build it for wasm32-wasip2, or use `wasm-tools component new`"
    )]
    CoreModule,
}

/// Reads the names at the outermost level of a component.
pub fn of(bytes: &[u8]) -> Result<Interfaces, InterfacesError> {
    let malformed = |e: wasmparser::BinaryReaderError| InterfacesError::Malformed(e.to_string());
    let mut interfaces = Interfaces::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(malformed)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(InterfacesError::CoreModule);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    interfaces.imports.push(import.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    interfaces.exports.push(export.map_err(malformed)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(interfaces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_told_apart() {
        assert_eq!(of(b"\0asm\x01\0\0\0"), Err(InterfacesError::CoreModule));
        assert_eq!(of(b"\0asm\x0d\0\x01\0"), Ok(Interfaces::default()));
        assert!(matches!(of(b"<html>"), Err(InterfacesError::Malformed(_))));
        assert!(matches!(of(b""), Err(InterfacesError::Malformed(_))));
    }

    #[test]
    fn a_component_that_is_cut_off_is_refused() {
        // An export section that promises more than there is.
        assert!(matches!(of(b"\0asm\x0d\0\x01\0\x0b\x7f"), Err(InterfacesError::Malformed(_))));
    }
}
