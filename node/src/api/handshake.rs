//! What a node that joins and the node that takes it in say to one another, inside the
//! link's join exchange. CBOR: it travels between versions.

use minicbor::{Decode, Encode};
use orbweave_model::MeshId;
use orbweave_model::wire::{self, WireError};

/// The largest hello.
pub const HELLO_BYTES_MAX: usize = 8 * 1024;

/// The largest request.
pub const JOIN_REQUEST_BYTES_MAX: usize = 4 * 1024;
/// The largest answer.
pub const JOIN_RESPONSE_BYTES_MAX: usize = 1024 * 1024;
/// Trust documents that an answer may bring.
pub const JOIN_DOCUMENTS_MAX: usize = 256;

/// What a node says first on every link: of which mesh it is, and its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Hello {
    /// The version of what nodes say to one another.
    #[n(0)]
    pub protocol: u32,
    /// The mesh that it belongs to.
    #[n(1)]
    pub mesh: MeshId,
    /// Its certificate, as it was issued.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub certificate: Vec<u8>,
}

impl Hello {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads a peer's hello.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        wire::decode_open("a hello", bytes, HELLO_BYTES_MAX)
    }
}

/// The mesh that a peer says it belongs to: what a joiner, who has no genesis yet to
/// check a certificate by, compares with its ticket.
pub fn mesh_of_hello(bytes: &[u8]) -> Result<MeshId, WireError> {
    Hello::decode(bytes).map(|hello| hello.mesh)
}

/// Presents a ticket's token, or a certificate that has expired.
// No `Debug`: the token is a secret.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct JoinRequest {
    /// The ticket's secret.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub token: [u8; 32],
    /// What the node would like to be called.
    #[n(1)]
    pub name: String,
    /// The certificate that shall be renewed; token and name do not count then.
    #[n(2)]
    pub certificate: Option<minicbor::bytes::ByteVec>,
}

/// What a member starts from. The joiner verifies each part on its own.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct JoinResponse {
    /// The mesh's first document, as it was signed.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub genesis: Vec<u8>,
    /// The joiner's certificate.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub certificate: Vec<u8>,
    /// Delegations and revocations since.
    #[n(2)]
    pub documents: Vec<minicbor::bytes::ByteVec>,
}

impl JoinRequest {
    /// Presents a ticket's token.
    pub fn with_token(token: [u8; 32], name: &str) -> Self {
        Self { token, name: name.to_owned(), certificate: None }
    }

    /// Presents a certificate that has expired. A node of the first version takes this for
    /// a token that it never issued.
    pub fn renewal(certificate: Vec<u8>) -> Self {
        Self { token: [0; 32], name: String::new(), certificate: Some(certificate.into()) }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads a stranger's request.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        wire::decode_open("a join request", bytes, JOIN_REQUEST_BYTES_MAX)
    }
}

impl JoinResponse {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads the answer.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let response: Self =
            wire::decode_open("the answer to a join request", bytes, JOIN_RESPONSE_BYTES_MAX)?;
        if response.documents.len() > JOIN_DOCUMENTS_MAX {
            let why = format!("more than {JOIN_DOCUMENTS_MAX} trust documents");
            return Err(WireError::Malformed { what: "the answer to a join request", why });
        }
        Ok(response)
    }
}
