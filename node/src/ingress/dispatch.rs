//! From a request to an answer: which replica first, when a second, when to give up.
//!
//! The choice among replicas and the wait before a hedge are decided by
//! `orbweave_scheduler::balance`, where else to ask by [`Way`]; this drives the attempts.

use super::attempt::{self, HttpCall, prepare};
use super::body::{self, IngressBody};
use super::failure::CallFailure;
use super::lost::{HELD_FOR_DEAD, held_for_dead};
use super::mesh::Mesh;
use super::table::RouteEntry;
use super::traffic::{ABSENT_AVOIDED, BROKEN_AVOIDED, Count, HUNG_AVOIDED, TrafficEvent};
use super::way::{Target, Tried, Way};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use http::Response;
use orbweave_model::NodeId;
use orbweave_net::StreamKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, sleep_until};

/// Attempts of one request, the first included.
pub const ATTEMPTS_MAX: u32 = 8;
/// How long a request rests when every replica has refused, unless the routes change.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// An answer and who gave it.
pub struct Answer {
    /// What the guest said.
    pub response: Response<IngressBody>,
    /// Who was asked.
    pub target: Target,
    /// Which attempt it was, from 1.
    pub attempt: u32,
}

/// No answer, after this many attempts.
#[derive(Debug)]
pub struct GaveUp {
    /// What the last attempt came to.
    pub failure: CallFailure,
    /// How many there were.
    pub attempts: u32,
}

impl GaveUp {
    /// The same of a request that must not be repeated, with what that means.
    #[must_use]
    pub fn unrepeated(mut self) -> Self {
        if let CallFailure::Broken { why, .. } = &mut self.failure {
            why.push_str("; whether the request was carried out is unknown, so it was not sent again");
        }
        self
    }
}

/// Sends a request once. Only when the guest certainly did not run, and nothing of the
/// body is gone, is another replica asked, or the next on the way. When the node that has
/// it dies, it ends there: nobody can tell whether the guest ran.
pub async fn once<M: Mesh>(
    mesh: &M,
    entry: &RouteEntry,
    call: &HttpCall,
    body: IngressBody,
    way: Way,
    deadline: Instant,
) -> Result<Answer, GaveUp> {
    let bodiless = hyper::body::Body::is_end_stream(&body);
    let mut body = Some(body);
    let mut tried = Tried::default();
    let mut last = CallFailure::NoReplica(call.workload.clone());
    for attempt in 1..=ATTEMPTS_MAX {
        let Some(target) = way.choose(mesh, entry, &tried) else {
            return Err(GaveUp { failure: last, attempts: attempt - 1 });
        };
        tried.insert(target);
        let node = target.node();
        let ready = prepare(mesh, &call.workload, target, StreamKind::Http, deadline).await;
        let result = match ready {
            Err(failure) => Err(failure),
            Ok(ready) => {
                let body = body.take().unwrap_or_else(|| body::full(Bytes::new()));
                let asked = attempt::run(mesh, call, ready, target, body, deadline, false);
                tokio::select! {
                    biased;
                    result = asked => result,
                    () = held_for_dead(mesh, node), if node != mesh.id() => {
                        Err(CallFailure::Broken { node, why: HELD_FOR_DEAD.to_owned() })
                    }
                }
            }
        };
        let failure = match result {
            Ok(response) => return Ok(Answer { response, target, attempt }),
            Err(failure) => noted(mesh, target, failure),
        };
        if !(failure.untouched() && (bodiless || body.is_some())) {
            return Err(GaveUp { failure, attempts: attempt });
        }
        last = failure;
    }
    Err(GaveUp { failure: last, attempts: ATTEMPTS_MAX })
}

/// Sends a request that may be repeated, until a replica answers in full or the
/// deadline is over: elsewhere when a replica fails or its node leaves the routes,
/// and once to a second one of this zone when the first is slow.
pub async fn repeatable<M: Mesh>(
    mesh: &M,
    call: Arc<HttpCall>,
    body: Bytes,
    allowed: Duration,
    deadline: Instant,
) -> Result<Answer, GaveUp> {
    let mut round = Round::new(mesh, call, body, deadline);
    let mut changes = mesh.route_changes();
    changes.mark_unchanged();
    let mut watching = true;
    let patience = mesh.traffic().hedge_after(&round.call.workload);
    let mut hedged = false;
    loop {
        let rest = round.keep_one_going()?;
        let hedge_at = round.newest().unwrap_or_else(Instant::now) + patience;
        tokio::select! {
            biased;
            Some(landed) = round.landing.next() => {
                if let Some(answer) = round.land(landed)? {
                    return Ok(answer);
                }
            }
            () = sleep_until(deadline) => {
                return Err(round.out_of_time(allowed));
            }
            () = sleep_until(hedge_at), if !hedged && round.has_healthy() => {
                hedged = true;
                round.hedge();
            }
            changed = changes.changed(), if watching => {
                watching = changed.is_ok();
                round.notice_lost();
            }
            () = sleep(RETRY_PAUSE), if rest => {}
        }
    }
}

/// An attempt that is on its way.
struct Flight {
    attempt: u32,
    target: Target,
    begun: Instant,
    /// Its node left the routes: an answer may still come, but is not waited for.
    lost: bool,
}

struct Landed {
    attempt: u32,
    result: Result<Response<IngressBody>, CallFailure>,
    _hedge: Option<OwnedSemaphorePermit>,
}

struct Round<'m, M: Mesh> {
    mesh: &'m M,
    call: Arc<HttpCall>,
    body: Bytes,
    deadline: Instant,
    landing: FuturesUnordered<BoxFuture<'static, Landed>>,
    flights: Vec<Flight>,
    tried: Tried,
    attempts: u32,
    last: CallFailure,
    before: Option<(NodeId, String)>,
}

impl<'m, M: Mesh> Round<'m, M> {
    fn new(mesh: &'m M, call: Arc<HttpCall>, body: Bytes, deadline: Instant) -> Self {
        let last = CallFailure::NoReplica(call.workload.clone());
        Self {
            mesh,
            call,
            body,
            deadline,
            landing: FuturesUnordered::new(),
            flights: Vec::new(),
            tried: Tried::default(),
            attempts: 0,
            last,
            before: None,
        }
    }

    fn has_healthy(&self) -> bool {
        self.flights.iter().any(|f| !f.lost)
    }

    fn newest(&self) -> Option<Instant> {
        self.flights.iter().map(|f| f.begun).max()
    }

    /// Begins an attempt when none is on its way that could be trusted to answer.
    /// True when all have been tried and it is best to rest.
    fn keep_one_going(&mut self) -> Result<bool, GaveUp> {
        if self.has_healthy() {
            return Ok(false);
        }
        if self.attempts >= ATTEMPTS_MAX {
            return if self.flights.is_empty() { Err(self.gave_up(self.last.clone())) } else { Ok(false) };
        }
        let routes = self.mesh.routes();
        let Some(entry) = routes.workload(&self.call.workload) else {
            return Err(self.gave_up(CallFailure::NoSuchWorkload(self.call.workload.clone())));
        };
        if let Some(target) = Way::FROM_HERE.choose(self.mesh, entry, &self.tried) {
            self.begin(target, None);
            return Ok(false);
        }
        if self.attempts == 0 {
            return Err(self.gave_up(self.last.clone()));
        }
        // All have been asked: after a rest each may be asked again, but for those
        // that still owe an answer.
        self.tried = self.flights.iter().map(|f| f.target).collect();
        Ok(true)
    }

    fn begin(&mut self, target: Target, hedge: Option<OwnedSemaphorePermit>) {
        self.attempts += 1;
        self.tried.insert(target);
        if let (Some((from, why)), None) = (self.before.take(), &hedge) {
            self.mesh.traffic().observe(TrafficEvent::Retried {
                workload: self.call.workload.clone(),
                from,
                to: target.node(),
                why,
            });
        }
        let attempt = self.attempts;
        self.flights.push(Flight { attempt, target, begun: Instant::now(), lost: false });
        let (mesh, call, body) = (self.mesh.clone(), self.call.clone(), self.body.clone());
        let deadline = self.deadline;
        self.landing.push(Box::pin(async move {
            let ready = prepare(&mesh, &call.workload, target, StreamKind::Http, deadline).await;
            let result = match ready {
                Ok(ready) => {
                    attempt::run(&mesh, &call, ready, target, body::full(body), deadline, true).await
                }
                Err(failure) => Err(failure),
            };
            Landed { attempt, result, _hedge: hedge }
        }));
    }

    /// A second attempt because the first is slow, if there is another replica in this
    /// zone: slowness alone is no reason to load another.
    fn hedge(&mut self) {
        let traffic = self.mesh.traffic();
        let Ok(permit) = traffic.hedges.clone().try_acquire_owned() else { return };
        let routes = self.mesh.routes();
        let entry = routes.workload(&self.call.workload);
        let another = entry.and_then(|entry| Way::FROM_HERE.replica(self.mesh, entry, &self.tried));
        if let Some(target) = another {
            traffic.count(Count::Hedge);
            self.begin(target, Some(permit));
        }
    }

    /// Marks attempts whose node left the routes: it died, or it drains.
    fn notice_lost(&mut self) {
        let routes = self.mesh.routes();
        let entry = routes.workload(&self.call.workload);
        for flight in self.flights.iter_mut().filter(|f| !f.lost) {
            if !entry.is_some_and(|entry| flight.target.is_in(entry)) {
                flight.lost = true;
                self.before = Some((flight.target.node(), "it left the routes".to_owned()));
            }
        }
    }

    /// An attempt ended: its answer, or what follows from there being none.
    fn land(&mut self, landed: Landed) -> Result<Option<Answer>, GaveUp> {
        let Some(i) = self.flights.iter().position(|f| f.attempt == landed.attempt) else { return Ok(None) };
        let flight = self.flights.swap_remove(i);
        let failure = match landed.result {
            Ok(response) => {
                self.avoid_the_hung();
                if flight.attempt > 1 {
                    self.mesh.traffic().count(Count::Retry);
                }
                return Ok(Some(Answer { response, target: flight.target, attempt: flight.attempt }));
            }
            Err(failure) => noted(self.mesh, flight.target, failure),
        };
        self.before = Some((flight.target.node(), failure.to_string()));
        if !failure.worth_repeating() && self.flights.is_empty() {
            return Err(self.gave_up(failure));
        }
        self.last = failure;
        Ok(None)
    }

    /// Attempts that waited longer than a hedge would are avoided by later requests.
    fn avoid_the_hung(&self) {
        let traffic = self.mesh.traffic();
        let patience = traffic.hedge_after(&self.call.workload);
        for flight in self.flights.iter().filter(|f| f.begun.elapsed() >= patience) {
            traffic.avoid(flight.target.node(), HUNG_AVOIDED);
        }
    }

    /// The time is over: for want of an answer, or, with nobody left who was asked, for
    /// want of a replica.
    fn out_of_time(&self, allowed: Duration) -> GaveUp {
        if self.flights.is_empty() {
            return self.gave_up(self.last.clone());
        }
        self.avoid_the_hung();
        self.gave_up(CallFailure::DeadlineExceeded(allowed))
    }

    fn gave_up(&self, failure: CallFailure) -> GaveUp {
        GaveUp { failure, attempts: self.attempts }
    }
}

/// Takes note of a failure for later requests; it comes back as its caller is told.
pub fn noted<M: Mesh>(mesh: &M, target: Target, failure: CallFailure) -> CallFailure {
    let avoided = match (&failure, target) {
        // Whether the node itself or one after it broke off is not known.
        (CallFailure::Broken { .. }, Target::Beyond { .. }) => Some(ABSENT_AVOIDED),
        (CallFailure::Unreachable { beyond: true, .. }, _) => Some(ABSENT_AVOIDED),
        (CallFailure::Unreachable { .. } | CallFailure::Broken { .. }, _) => Some(BROKEN_AVOIDED),
        (CallFailure::NotHere | CallFailure::NoCapacity(_), _) => Some(ABSENT_AVOIDED),
        _ => None,
    };
    if let Some(span) = avoided {
        mesh.traffic().avoid(target.node(), span);
    }
    target.explained(failure)
}
