//! How sharing ends, over HTTP.

use axum::extract::State;
use axum::response::Response;

use super::input::{Body, Path};
use super::problem::Failure;
use super::{Answer, App};
use crate::api::Done;
use crate::api::receipt::Receipt;
use crate::api::share::End;
use crate::service::ending;

/// What partners were asked to delete, and who has confirmed it.
#[utoipa::path(get, path = "/api/v1/shares/{share}/receipts", tag = "shares", params(("share" = String, Path)),
    responses((status = 200, body = Vec<Receipt>)))]
pub async fn receipts(State(app): State<App>, Path(name): Path<String>) -> Answer<Vec<Receipt>> {
    app.call(move |replica| ending::receipts(replica, &name)).await
}

/// Closes a share that this org opened; with `dry_run`, tells who would lose what.
#[utoipa::path(post, path = "/api/v1/shares/{share}/close", tag = "shares", params(("share" = String, Path)), request_body = End,
    responses((status = 200, body = Done, description = "for a dry run what would not be seen any more")))]
pub async fn close(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(end): Body<End>,
) -> Result<Response, Failure> {
    if end.dry_run {
        return app.respond(move |replica| ending::preview_close(replica, &name)).await;
    }
    app.respond(move |replica| ending::close(replica, &name)).await
}

/// Takes all of this org's part out of a share; with `dry_run`, tells who would lose what.
#[utoipa::path(post, path = "/api/v1/shares/{share}/leave", tag = "shares", params(("share" = String, Path)), request_body = End,
    responses((status = 200, body = Done, description = "for a dry run what would not be seen any more")))]
pub async fn leave(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(end): Body<End>,
) -> Result<Response, Failure> {
    if end.dry_run {
        return app.respond(move |replica| ending::preview_leave(replica, &name)).await;
    }
    app.respond(move |replica| ending::leave(replica, &name)).await
}
