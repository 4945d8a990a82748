//! Errors of the API: what happened and what to do, for people and for programs.

use crate::ingress::CallFailure;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use orbweave_model::WorkloadName;
use serde::{Deserialize, Serialize};

/// Why the API did not do what it was asked. Nothing was changed, unless it says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{error}")]
pub struct ApiError {
    /// What kind: the HTTP status.
    #[serde(skip, default = "internal")]
    pub status: StatusCode,
    /// What happened.
    pub error: String,
    /// What to do, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

fn internal() -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

impl ApiError {
    /// An error of this status.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), fix: None }
    }

    /// The request is not understood or not allowed as it is.
    pub fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// There is no such thing here.
    pub fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    /// It was understood and refused: a signature, a right, an order.
    pub fn refused(error: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error)
    }

    /// It cannot be done now, and may be later.
    pub fn unavailable(error: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }

    /// The node itself failed.
    pub fn internal(error: impl Into<String>) -> Self {
        Self::new(internal(), error)
    }

    /// A call that failed, with what its caller can do.
    pub fn of_call(failure: &CallFailure, workload: &WorkloadName) -> Self {
        let error = Self::new(failure.status(), format!("{}: {failure}", failure.word()));
        match failure {
            CallFailure::NoSuchWorkload(_) => error.fix("see `orbweave get`"),
            CallFailure::NoReplica(_) | CallFailure::NotHere | CallFailure::NoCapacity(_) => {
                error.fix(format!("see `orbweave describe {workload}` for why"))
            }
            CallFailure::Unreachable { .. } => error.fix("see `orbweave nodes`; it can be tried again"),
            CallFailure::Broken { .. } => error.fix("it may have run; try again if that does no harm"),
            CallFailure::DeadlineExceeded(_) => error.fix("give it more with --deadline"),
            CallFailure::BadRequest(_) => error
                .fix(format!("`orbweave describe {workload}` lists the functions; arguments are in WAVE")),
            CallFailure::Trapped(_) => {
                error.fix(format!("see `orbweave logs {workload}` on the node that ran it"))
            }
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}
