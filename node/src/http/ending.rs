//! How sharing ends, over HTTP.

use axum::Json;
use axum::extract::{Path, State};

use super::App;
use super::problem::Failure;
use crate::api::Done;
use crate::api::receipt::Receipt;
use crate::service::ending;

type Answer<T> = Result<Json<T>, Failure>;

/// What partners were asked to delete, and who has confirmed it.
#[utoipa::path(get, path = "/api/v1/shares/{share}/receipts", tag = "shares", params(("share" = String, Path)),
    responses((status = 200, body = Vec<Receipt>)))]
pub async fn receipts(State(app): State<App>, Path(name): Path<String>) -> Answer<Vec<Receipt>> {
    Ok(Json(app.engine.call(move |replica| ending::receipts(replica, &name)).await?))
}

/// Closes a share that this org opened.
#[utoipa::path(post, path = "/api/v1/shares/{share}/close", tag = "shares", params(("share" = String, Path)),
    responses((status = 200, body = Done)))]
pub async fn close(State(app): State<App>, Path(name): Path<String>) -> Answer<Done> {
    Ok(Json(app.engine.call(move |replica| ending::close(replica, &name)).await?))
}

/// Takes all of this org's part out of a share.
#[utoipa::path(post, path = "/api/v1/shares/{share}/leave", tag = "shares", params(("share" = String, Path)),
    responses((status = 200, body = Done)))]
pub async fn leave(State(app): State<App>, Path(name): Path<String>) -> Answer<Done> {
    Ok(Json(app.engine.call(move |replica| ending::leave(replica, &name)).await?))
}
