//! A call of an exported function, wherever a replica runs.

use super::attempt::{Ready, prepare};
use super::dispatch::{ATTEMPTS_MAX, mark};
use super::failure::CallFailure;
use super::frame::{self, INVOKE_BYTES_MAX, InvokeAnswer, InvokeHead};
use super::lost::{HELD_FOR_DEAD, held_for_dead};
use super::mesh::{LocalService, Mesh};
use super::table::Replica;
use super::traffic::Count;
use orbweave_model::{NodeId, WorkloadName};
use orbweave_net::StreamKind;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};

/// Arguments, or a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// As text in WAVE.
    Wave(String),
    /// In the value encoding of the component model.
    Encoded(Vec<u8>),
}

/// A result and who computed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The result, in the form in which the arguments were.
    pub result: Values,
    /// The node that ran it.
    pub node: NodeId,
}

/// Calls an exported function at the best live replica. It is asked elsewhere only
/// while the guest certainly did not run: a function may have effects.
pub async fn call<M: Mesh>(
    mesh: &M,
    workload: &WorkloadName,
    function: &str,
    args: &Values,
    deadline: Duration,
) -> Result<Called, CallFailure> {
    let called = attempts(mesh, workload, function, args, deadline).await;
    if called.is_err() {
        mesh.traffic().count(Count::Error);
    }
    called
}

async fn attempts<M: Mesh>(
    mesh: &M,
    workload: &WorkloadName,
    function: &str,
    args: &Values,
    allowed: Duration,
) -> Result<Called, CallFailure> {
    let routes = mesh.routes();
    let entry = routes.workload(workload).ok_or_else(|| CallFailure::NoSuchWorkload(workload.clone()))?;
    let deadline = Instant::now() + allowed;
    let mut tried = BTreeSet::new();
    let mut last = CallFailure::NoReplica(workload.clone());
    for attempt in 1..=ATTEMPTS_MAX {
        let Some(replica) = mesh.traffic().choose(entry, mesh.id(), |node| !tried.contains(&node)) else {
            break;
        };
        tried.insert(replica.node);
        match once(mesh, workload, function, args, replica, deadline).await {
            Ok(result) => {
                if attempt > 1 {
                    mesh.traffic().count(Count::Retry);
                }
                mesh.traffic().trust_again(replica.node);
                return Ok(Called { result, node: replica.node });
            }
            Err(failure) => {
                mark(mesh, replica.node, &failure);
                if !failure.untouched() {
                    return Err(failure);
                }
                last = failure;
            }
        }
    }
    Err(last)
}

async fn once<M: Mesh>(
    mesh: &M,
    workload: &WorkloadName,
    function: &str,
    args: &Values,
    replica: Replica,
    deadline: Instant,
) -> Result<Values, CallFailure> {
    let allowed = deadline.saturating_duration_since(Instant::now());
    let ready = prepare(mesh, workload, replica, StreamKind::Invoke, deadline).await?;
    let _outstanding = mesh.traffic().begin(workload, replica);
    let asked = async {
        match ready {
            Ready::Local(service) => {
                let result = match args {
                    Values::Wave(text) => service.call(function, text, allowed).await.map(Values::Wave),
                    Values::Encoded(bytes) => {
                        service.call_encoded(function, bytes, allowed).await.map(Values::Encoded)
                    }
                };
                if result.is_ok() {
                    mesh.traffic().answered_here(workload);
                }
                result
            }
            Ready::Remote(send, recv) => {
                tokio::select! {
                    biased;
                    result = remote::<M>(workload, function, args, replica.node, send, recv, allowed) => result,
                    // Nobody can tell whether it ran.
                    () = held_for_dead(mesh, replica.node) => {
                        Err(CallFailure::Broken { node: replica.node, why: HELD_FOR_DEAD.to_owned() })
                    }
                }
            }
        }
    };
    match timeout_at(deadline, asked).await {
        Ok(result) => result,
        Err(_) => Err(CallFailure::DeadlineExceeded(allowed)),
    }
}

async fn remote<M: Mesh>(
    workload: &WorkloadName,
    function: &str,
    args: &Values,
    node: NodeId,
    mut send: M::Send,
    mut recv: M::Recv,
    allowed: Duration,
) -> Result<Values, CallFailure> {
    let (wave, encoded) = match args {
        Values::Wave(text) => (Some(text.clone()), None),
        Values::Encoded(bytes) => (None, Some(bytes.clone().into())),
    };
    let head = InvokeHead {
        workload: workload.clone(),
        function: function.to_owned(),
        deadline_ms: u64::try_from(allowed.as_millis()).unwrap_or(u64::MAX),
        wave,
        encoded,
    };
    let bytes = frame::head_bytes(&head, INVOKE_BYTES_MAX)
        .ok_or_else(|| CallFailure::BadRequest(format!("arguments have at most {INVOKE_BYTES_MAX} bytes")))?;
    let broken = |e: std::io::Error| CallFailure::Broken { node, why: e.to_string() };
    send.write_all(&bytes).await.map_err(broken)?;
    send.shutdown().await.map_err(broken)?;
    let answer: InvokeAnswer =
        frame::read_sole_head("an answer", &mut recv, INVOKE_BYTES_MAX).await.map_err(broken)?;
    match (answer.failure, answer.encoded, answer.wave) {
        (Some(failure), _, _) => Err(CallFailure::from_wire(node, failure.code, failure.text, allowed)),
        (None, Some(bytes), _) => Ok(Values::Encoded(bytes.into())),
        (None, None, wave) => Ok(Values::Wave(wave.unwrap_or_default())),
    }
}
