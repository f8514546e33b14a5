//! How sharing ends, over HTTP.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::App;
use super::input::{Body, Path};
use super::problem::Failure;
use crate::api::Done;
use crate::api::receipt::Receipt;
use crate::api::share::End;
use crate::service::ending;

type Answer<T> = Result<Json<T>, Failure>;

/// What partners were asked to delete, and who has confirmed it.
#[utoipa::path(get, path = "/api/v1/shares/{share}/receipts", tag = "shares", params(("share" = String, Path)),
    responses((status = 200, body = Vec<Receipt>)))]
pub async fn receipts(State(app): State<App>, Path(name): Path<String>) -> Answer<Vec<Receipt>> {
    Ok(Json(app.engine.call(move |replica| ending::receipts(replica, &name)).await?))
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
        let preview = move |replica: &mut _| ending::preview_close(replica, &name);
        return Ok(Json(app.engine.call(preview).await?).into_response());
    }
    let done = move |replica: &mut _| ending::close(replica, &name);
    Ok(Json(app.engine.call(done).await?).into_response())
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
        let preview = move |replica: &mut _| ending::preview_leave(replica, &name);
        return Ok(Json(app.engine.call(preview).await?).into_response());
    }
    let done = move |replica: &mut _| ending::leave(replica, &name);
    Ok(Json(app.engine.call(done).await?).into_response())
}
