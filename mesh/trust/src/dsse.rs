//! Dead Simple Signing Envelope (<https://github.com/secure-systems-lab/dsse>): what is
//! signed, the exact CBOR that travels here, and the JSON that other tools read.

use crate::envelope::{EnvelopeError, SignedBy};
use data_encoding::{BASE64, BASE64URL};
use minicbor::{Decode, Encode};
use orbweave_model::wire::{self, WireError};
use orbweave_model::{PublicKey, Signature, limit};
use serde::{Deserialize, Serialize};

/// The type of a release statement inside its envelope.
pub const RELEASE_PAYLOAD_TYPE: &str = "application/vnd.orbweave.release+cbor";
/// An envelope as JSON: base64, and room to breathe.
pub const DSSE_JSON_BYTES_MAX: usize = 4 * limit::RELEASE_BYTES_MAX;

const WHAT: &str = "the release";

/// Why an envelope could not be brought from one form into the other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DsseError {
    /// Not the bytes of an envelope.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Not the JSON of one.
    #[error("this is no DSSE envelope in JSON: {0}")]
    Json(String),
    /// A field is not what DSSE or this mesh asks for.
    #[error("the DSSE envelope's {field} is not {expected}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

/// The bytes that are signed: `DSSEv1 SP len(type) SP type SP len(body) SP body`.
pub(crate) fn pre_authentication(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The envelope as it travels in a mesh.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Envelope {
    #[n(0)]
    pub payload_type: String,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub payload: Vec<u8>,
    #[n(2)]
    pub signatures: Vec<SignedBy>,
}

impl Envelope {
    /// Reads an envelope with the one signature that a release has. It is not checked yet.
    pub fn read(bytes: &[u8]) -> Result<(Self, SignedBy), EnvelopeError> {
        let envelope: Self = wire::decode_exact(WHAT, bytes, limit::RELEASE_BYTES_MAX)?;
        match envelope.signatures.as_slice() {
            [] => Err(EnvelopeError::Unsigned { what: WHAT }),
            [by] => {
                let by = by.clone();
                Ok((envelope, by))
            }
            more => Err(EnvelopeError::TooManySignatures { what: WHAT, count: more.len(), max: 1 }),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonEnvelope {
    payload_type: String,
    payload: String,
    signatures: Vec<JsonSignature>,
}

#[derive(Serialize, Deserialize)]
struct JsonSignature {
    /// The public key in hexadecimal digits.
    keyid: String,
    sig: String,
}

/// The envelope in DSSE's own JSON, for other tools. The signature is not checked.
pub fn to_dsse_json(envelope: &[u8]) -> Result<String, DsseError> {
    let envelope: Envelope = wire::decode_exact(WHAT, envelope, limit::RELEASE_BYTES_MAX)?;
    let json = JsonEnvelope {
        payload_type: envelope.payload_type,
        payload: BASE64.encode(&envelope.payload),
        signatures: envelope
            .signatures
            .iter()
            .map(|by| JsonSignature {
                keyid: by.key.to_string(),
                sig: BASE64.encode(by.signature.as_bytes()),
            })
            .collect(),
    };
    serde_json::to_string_pretty(&json).map_err(|e| DsseError::Json(e.to_string()))
}

/// The envelope as it travels in a mesh, from DSSE's JSON. The signature is not checked:
/// that is for [`Release::verify`](crate::Release::verify).
pub fn from_dsse_json(json: &str) -> Result<Vec<u8>, DsseError> {
    if json.len() > DSSE_JSON_BYTES_MAX {
        return Err(WireError::TooLong { what: WHAT, len: json.len(), max: DSSE_JSON_BYTES_MAX }.into());
    }
    let json: JsonEnvelope = serde_json::from_str(json).map_err(|e| DsseError::Json(e.to_string()))?;
    let signatures = json
        .signatures
        .iter()
        .map(|by| {
            let key: PublicKey = by.keyid.parse().map_err(|_| DsseError::Field {
                field: "keyid",
                expected: "an Ed25519 public key of 64 hexadecimal digits",
            })?;
            let signature = base64("sig", &by.sig)?.try_into().map_err(|_| DsseError::Field {
                field: "sig",
                expected: "an Ed25519 signature of 64 bytes",
            })?;
            Ok(SignedBy { key, signature: Signature(signature) })
        })
        .collect::<Result<Vec<_>, DsseError>>()?;
    let payload = base64("payload", &json.payload)?;
    let bytes = wire::encode(&Envelope { payload_type: json.payload_type, payload, signatures });
    if bytes.len() > limit::RELEASE_BYTES_MAX {
        return Err(WireError::TooLong { what: WHAT, len: bytes.len(), max: limit::RELEASE_BYTES_MAX }.into());
    }
    Ok(bytes)
}

/// DSSE allows both alphabets.
fn base64(field: &'static str, text: &str) -> Result<Vec<u8>, DsseError> {
    BASE64
        .decode(text.as_bytes())
        .or_else(|_| BASE64URL.decode(text.as_bytes()))
        .map_err(|_| DsseError::Field { field, expected: "base64" })
}
