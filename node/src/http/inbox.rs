//! The inbox over HTTP.

use axum::Json;
use axum::extract::State;

use super::App;
use super::input::Body;
use super::problem::Failure;
use crate::api::inbox::{Dismiss, Dismissed, InboxLine};
use crate::service::inbox;

type Answer<T> = Result<Json<T>, Failure>;

/// Everything that waits for a person.
#[utoipa::path(get, path = "/api/v1/inbox", tag = "node", responses((status = 200, body = Vec<InboxLine>)))]
pub async fn list(State(app): State<App>) -> Answer<Vec<InboxLine>> {
    Ok(Json(app.engine.call(inbox::list).await?))
}

/// Forgets changes that were rejected.
#[utoipa::path(post, path = "/api/v1/inbox/dismiss", tag = "node", request_body = Dismiss,
    responses((status = 200, body = Dismissed)))]
pub async fn dismiss(State(app): State<App>, Body(order): Body<Dismiss>) -> Answer<Dismissed> {
    Ok(Json(app.engine.call(move |replica| inbox::dismiss(replica, &order)).await?))
}
