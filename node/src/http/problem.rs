//! Errors as answers: RFC 9457 bodies, and the one match from the kind of error to its status.

use std::error::Error;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use thiserror::Error;

use crate::api::problem::{ErrorKind, ProblemBody};
use crate::engine::Stopped;
use crate::service::Problem;

const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was answered with an error.
#[derive(Debug, Error)]
pub enum Failure {
    /// The service says no.
    #[error(transparent)]
    Service(#[from] Problem),
    /// No token, or another one.
    #[error("this needs the node's token")]
    Unauthorised,
    /// The `Host` header names something else than this node.
    #[error("this node does not answer to the name in the Host header")]
    ForeignHost,
    /// There is nothing at this address.
    #[error("there is nothing at this address")]
    NoSuchPlace,
    /// The method does not fit the address.
    #[error("this address does not take that method")]
    Method,
    /// The body is longer than allowed.
    #[error("the body is too large")]
    TooLarge,
    /// The body or the query is not what is expected here.
    #[error("the request cannot be read: {0}")]
    Unreadable(String),
    /// The answer could not be made.
    #[error("the answer could not be made")]
    Answer(#[from] serde_json::Error),
    /// Not up yet, or going down.
    #[error("the node is not ready")]
    Unready,
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        Failure::Service(stopped.into())
    }
}

impl Failure {
    fn kind(&self) -> ErrorKind {
        match self {
            Failure::Service(problem) => problem.kind(),
            Failure::Unauthorised | Failure::ForeignHost => ErrorKind::Unauthorised,
            Failure::NoSuchPlace => ErrorKind::Missing,
            Failure::Method | Failure::Unreadable(_) => ErrorKind::Usage,
            Failure::TooLarge => ErrorKind::TooLarge,
            Failure::Answer(_) => ErrorKind::Fault,
            Failure::Unready => ErrorKind::Unready,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Failure::Service(problem) => problem.code(),
            Failure::Unauthorised => "unauthorised",
            Failure::ForeignHost => "foreign_host",
            Failure::NoSuchPlace => "no_such_place",
            Failure::Method => "bad_method",
            Failure::TooLarge => "too_large",
            Failure::Unreadable(_) => "unreadable",
            Failure::Answer(_) => "fault",
            Failure::Unready => "unready",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Failure::Service(problem) => problem.hint(),
            Failure::Unauthorised => {
                Some("send `Authorization: Bearer` with the content of api.token".into())
            }
            Failure::ForeignHost => Some("use 127.0.0.1 or localhost".into()),
            Failure::NoSuchPlace | Failure::Method => {
                Some("the API is described at /api/v1/openapi.json".into())
            }
            Failure::TooLarge => Some("split the file".into()),
            Failure::Unreadable(_) | Failure::Answer(_) | Failure::Unready => None,
        }
    }

    /// The body that tells it.
    pub fn body(&self) -> ProblemBody {
        let mut causes = Vec::new();
        let mut cause = match self {
            Failure::Service(problem) => problem.source(),
            other => other.source(),
        };
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        let kind = self.kind();
        let status = status(kind);
        ProblemBody {
            type_uri: format!("urn:entente:problem:{}", self.code()),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
            causes,
            kind,
            code: self.code().to_owned(),
            hint: self.hint(),
        }
    }
}

/// The status of a kind of error.
fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Unmet => StatusCode::CONFLICT,
        ErrorKind::Missing => StatusCode::NOT_FOUND,
        ErrorKind::Stale => StatusCode::PRECONDITION_FAILED,
        ErrorKind::Usage => StatusCode::BAD_REQUEST,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Unauthorised => StatusCode::UNAUTHORIZED,
        ErrorKind::Refused => StatusCode::FORBIDDEN,
        ErrorKind::Unready => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::NotBuilt => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Fault => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = self.body();
        if body.kind == ErrorKind::Fault {
            tracing::error!(code = body.code, "a request failed");
        }
        let text = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (status(body.kind), text).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if body.kind == ErrorKind::Unauthorised {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
