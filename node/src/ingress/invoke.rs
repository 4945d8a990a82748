//! A call of an exported function, wherever a replica runs.

use super::attempt::{Ready, prepare};
use super::dispatch::{ATTEMPTS_MAX, noted};
use super::failure::CallFailure;
use super::frame::{self, INVOKE_BYTES_MAX, InvokeAnswer, InvokeHead};
use super::lost::{HELD_FOR_DEAD, held_for_dead};
use super::mesh::{LocalService, Mesh};
use super::traffic::Count;
use super::way::{Target, Tried, Way};
use orbweave_model::{NodeId, WorkloadName};
use orbweave_net::StreamKind;
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
    let called = attempts(mesh, workload, function, args, Way::FROM_HERE, deadline).await;
    if called.is_err() {
        mesh.traffic().count(Count::Error);
    }
    called
}

/// The same for a call that came in here, or that a peer wants passed on.
pub(super) async fn attempts<M: Mesh>(
    mesh: &M,
    workload: &WorkloadName,
    function: &str,
    args: &Values,
    way: Way,
    allowed: Duration,
) -> Result<Called, CallFailure> {
    let routes = mesh.routes();
    let entry = routes.workload(workload).ok_or_else(|| CallFailure::NoSuchWorkload(workload.clone()))?;
    let deadline = Instant::now() + allowed;
    let mut tried = Tried::default();
    let mut last = CallFailure::NoReplica(workload.clone());
    for attempt in 1..=ATTEMPTS_MAX {
        let Some(target) = way.choose(mesh, entry, &tried) else { break };
        tried.insert(target);
        match once(mesh, workload, function, args, target, deadline).await {
            Ok(called) => {
                if attempt > 1 {
                    mesh.traffic().count(Count::Retry);
                }
                mesh.traffic().trust_again(target.node());
                return Ok(called);
            }
            Err(failure) => {
                let failure = noted(mesh, target, failure);
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
    target: Target,
    deadline: Instant,
) -> Result<Called, CallFailure> {
    let allowed = deadline.saturating_duration_since(Instant::now());
    let node = target.node();
    let ready = prepare(mesh, workload, target, StreamKind::Invoke, deadline).await?;
    let _outstanding = mesh.traffic().begin(workload, target);
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
                result.map(|result| Called { result, node })
            }
            Ready::Remote(send, recv) => {
                tokio::select! {
                    biased;
                    result = remote::<M>(workload, function, args, target, send, recv, allowed) => result,
                    // Nobody can tell whether it ran.
                    () = held_for_dead(mesh, node) => {
                        Err(CallFailure::Broken { node, why: HELD_FOR_DEAD.to_owned() })
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
    target: Target,
    mut send: M::Send,
    mut recv: M::Recv,
    allowed: Duration,
) -> Result<Called, CallFailure> {
    let node = target.node();
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
        relays: target.relays(),
    };
    let bytes = frame::head_bytes(&head, INVOKE_BYTES_MAX)
        .ok_or_else(|| CallFailure::BadRequest(format!("arguments have at most {INVOKE_BYTES_MAX} bytes")))?;
    let broken = |e: std::io::Error| CallFailure::Broken { node, why: e.to_string() };
    send.write_all(&bytes).await.map_err(broken)?;
    send.shutdown().await.map_err(broken)?;
    let answer: InvokeAnswer =
        frame::read_sole_head("an answer", &mut recv, INVOKE_BYTES_MAX).await.map_err(broken)?;
    if let Some(failure) = answer.failure {
        return Err(CallFailure::from_wire(node, failure.code, failure.text, allowed));
    }
    let result = match answer.encoded {
        Some(bytes) => Values::Encoded(bytes.into()),
        None => Values::Wave(answer.wave.unwrap_or_default()),
    };
    Ok(Called { result, node: answer.node.unwrap_or(node) })
}
