//! What handlers take from a request, with errors in our own form.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::extract::{self, FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use entente_protocol::vocabulary::Kind;
use serde::de::DeserializeOwned;

use super::problem::Failure;

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(JsonRejection::BytesRejection(error)) => Err(bytes(error)),
            Err(error) => Err(Failure::Unreadable(error.body_text())),
        }
    }
}

/// Words of the path.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(extract::Path(words)) => Ok(Self(words)),
            Err(error) => Err(Failure::Unreadable(error.body_text())),
        }
    }
}

/// A query.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(error) => Err(Failure::Unreadable(error.body_text())),
        }
    }
}

/// A body as it is.
pub struct File(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for File {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        Bytes::from_request(request, state).await.map(Self).map_err(bytes)
    }
}

fn bytes(error: BytesRejection) -> Failure {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge,
        _ => Failure::Unreadable(error.into_response().status().to_string()),
    }
}

/// The kind that a word of the path names.
pub fn kind(word: &str) -> Result<Kind, Failure> {
    Kind::ALL.into_iter().find(|kind| kind.plural() == word).ok_or(Failure::NoSuchPlace)
}
