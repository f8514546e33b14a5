//! The inbox over HTTP.

use axum::extract::State;

use super::input::Body;
use super::{Answer, App};
use crate::api::inbox::{Dismiss, Dismissed, InboxLine};
use crate::service::inbox;

/// Everything that waits for a person.
#[utoipa::path(get, path = "/api/v1/inbox", tag = "node", responses((status = 200, body = Vec<InboxLine>)))]
pub async fn list(State(app): State<App>) -> Answer<Vec<InboxLine>> {
    app.call(inbox::list).await
}

/// Forgets changes that were rejected.
#[utoipa::path(post, path = "/api/v1/inbox/dismiss", tag = "node", request_body = Dismiss,
    responses((status = 200, body = Dismissed)))]
pub async fn dismiss(State(app): State<App>, Body(order): Body<Dismiss>) -> Answer<Dismissed> {
    app.call(move |replica| inbox::dismiss(replica, &order)).await
}
