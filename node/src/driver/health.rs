//! Health checks: a request to a path of the guest that must answer, before an instance
//! counts as running and from then on.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use orbweave_model::WorkloadName;
use orbweave_wasm::Service;
use std::time::Duration;

/// Between two checks of what runs.
const EVERY: Duration = Duration::from_secs(5);
/// The time that an answer has.
const TIME_MAX: Duration = Duration::from_secs(2);
/// What runs has failed when so many checks in a row did.
const FAILURES_MAX: u32 = 3;

/// Whether the guest answers with a status below 400.
pub async fn check(service: &Service, workload: &WorkloadName, path: &str) -> Result<(), String> {
    let request = Request::get(format!("http://{workload}.mesh{path}")).body(Empty::<Bytes>::new());
    let request = request.map_err(|e| format!("its health check {path} is no request: {e}"))?;
    let failed = |why: String| Err(format!("its health check {path} {why}"));
    match tokio::time::timeout(TIME_MAX, service.http(request, TIME_MAX)).await {
        Ok(Ok(answer)) if answer.status() < StatusCode::BAD_REQUEST => Ok(()),
        Ok(Ok(answer)) => failed(format!("answered {}", answer.status())),
        Ok(Err(error)) => failed(format!("failed: {error}")),
        Err(_) => failed(format!("did not answer within {TIME_MAX:?}")),
    }
}

/// Checks for as long as the guest answers; gives the reason once it does not.
pub async fn until_it_fails(service: &Service, workload: &WorkloadName, path: &str) -> String {
    let mut failures = 0;
    loop {
        tokio::time::sleep(EVERY).await;
        match check(service, workload, path).await {
            Ok(()) => failures = 0,
            Err(why) => {
                failures += 1;
                if failures >= FAILURES_MAX {
                    return format!("{why}, {failures} times in a row");
                }
            }
        }
    }
}
