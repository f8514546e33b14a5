//! Permission as it stands, over HTTP.

use axum::extract::State;

use super::input::{Params, Path};
use super::{Answer, App};
use crate::api::grant::{ExplainParams, Explanation, Matrix, MatrixParams};
use crate::api::share::{Preview, PreviewParams};
use crate::service::seeing;

/// Fields × orgs.
#[utoipa::path(get, path = "/api/v1/shares/{share}/matrix", tag = "shares", params(("share" = String, Path), MatrixParams),
    responses((status = 200, body = Matrix)))]
pub async fn matrix(
    State(app): State<App>,
    Path(name): Path<String>,
    Params(params): Params<MatrixParams>,
) -> Answer<Matrix> {
    app.call(move |replica| seeing::matrix(replica, &name, &params)).await
}

/// The records exactly as a partner sees them.
#[utoipa::path(get, path = "/api/v1/shares/{share}/preview", tag = "shares", params(("share" = String, Path), PreviewParams),
    responses((status = 200, body = Preview)))]
pub async fn preview(
    State(app): State<App>,
    Path(name): Path<String>,
    Params(params): Params<PreviewParams>,
) -> Answer<Preview> {
    app.call(move |replica| seeing::preview(replica, &name, &params)).await
}

/// What a partner may do with a field, and why.
#[utoipa::path(get, path = "/api/v1/shares/{share}/explain", tag = "shares", params(("share" = String, Path), ExplainParams),
    responses((status = 200, body = Explanation)))]
pub async fn explain(
    State(app): State<App>,
    Path(name): Path<String>,
    Params(params): Params<ExplainParams>,
) -> Answer<Explanation> {
    app.call(move |replica| seeing::explain(replica, &name, &params)).await
}
