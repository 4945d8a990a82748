//! The bodies of records as this version reads them. Each is read once, however many
//! nodes of one process hold the record; and what was verified of it is kept beside,
//! where it depends on its bytes alone.

use crate::claim::Claim;
use crate::node_info::NodeInfo;
use crate::workload::{SpecError, WorkloadSpec};
use orbweave_model::Hash;
use orbweave_model::wire::WireError;
use orbweave_state::record::Record;
use orbweave_trust::{Certificate, Release};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

/// What a node record says.
#[derive(Debug)]
pub(crate) struct NodeBody {
    pub info: Arc<NodeInfo>,
    /// Its addresses that are well-formed.
    pub addresses: Arc<[SocketAddr]>,
    certificate: OnceLock<Arc<Certificate>>,
}

impl NodeBody {
    pub fn of(record: &Record) -> Result<Arc<Self>, WireError> {
        record.read(|body| {
            let info = NodeInfo::decode(body)?;
            let addresses = info.socket_addresses().into();
            Ok(Self { info: Arc::new(info), addresses, certificate: OnceLock::new() })
        })
    }

    /// One copy of the certificate in it, for whoever verified it.
    pub fn share(&self, certificate: Certificate) -> Arc<Certificate> {
        self.certificate.get_or_init(|| Arc::new(certificate)).clone()
    }
}

/// What a workload's record says.
#[derive(Debug)]
pub(crate) struct WorkloadBody {
    pub spec: Arc<WorkloadSpec>,
    pub run_key: Hash,
    release: OnceLock<Release>,
}

impl WorkloadBody {
    pub fn of(record: &Record) -> Result<Arc<Self>, SpecError> {
        record.read(|body| {
            let spec = Arc::new(WorkloadSpec::decode(body)?);
            Ok(Self { run_key: spec.run_key(), spec, release: OnceLock::new() })
        })
    }

    /// One copy of the release in it, for whoever verified it.
    pub fn share(&self, release: Release) -> Release {
        self.release.get_or_init(|| release).clone()
    }
}

/// What a claim says.
pub(crate) fn claim(record: &Record) -> Result<Arc<Claim>, WireError> {
    record.read(Claim::decode)
}
