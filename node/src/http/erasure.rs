//! Forgetting customers and adopting records, over HTTP.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::input::{Body, Path};
use super::problem::Failure;
use super::{Answer, App};
use crate::api::Made;
use crate::api::erasure::{EraseCustomer, Erased, Erasure};
use crate::service::erasure;

/// Forgets an own customer, with what was noted about it, wherever it was shown; with `dry_run`,
/// tells what would go and who would be asked.
#[utoipa::path(post, path = "/api/v1/customers/{id}/erase", tag = "customers", params(("id" = String, Path)), request_body = EraseCustomer,
    responses((status = 200, body = Erased, description = "for a dry run what would go")))]
pub async fn erase(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(order): Body<EraseCustomer>,
) -> Result<Response, Failure> {
    if order.dry_run {
        return app.respond(move |replica| erasure::preview(replica, &id)).await;
    }
    app.respond(move |replica| erasure::erase(replica, &id, order)).await
}

/// Who was asked to erase a customer, and who has confirmed it; also of one that is forgotten.
#[utoipa::path(get, path = "/api/v1/customers/{id}/erasures", tag = "customers", params(("id" = String, Path)),
    responses((status = 200, body = Vec<Erasure>)))]
pub async fn erasures(State(app): State<App>, Path(id): Path<String>) -> Answer<Vec<Erasure>> {
    app.call(move |replica| erasure::erasures(replica, &id)).await
}

/// Copies a received record into this org's own records, where its company lets this one keep it.
#[utoipa::path(post, path = "/api/v1/records/{id}/adopt", tag = "records", params(("id" = String, Path)),
    responses((status = 201, body = Made)))]
pub async fn adopt(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Made>), Failure> {
    let made = app.engine.call(move |replica| erasure::adopt(replica, &id)).await?;
    Ok((StatusCode::CREATED, Json(made)))
}
