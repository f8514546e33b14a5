//! The rules of shares over HTTP: as texts, by presets, approved and configured.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::input::{Body, Path};
use super::problem::Failure;
use super::{Answer, App};
use crate::api::grant::{
    Approve, Approved, PolicyChange, PolicyText, Preset, ShareConfig, ShareWith, SharedWith,
};
use crate::api::share::MissingField;
use crate::preset;
use crate::service::{Problem, missing, policy, with as service};

/// Grants an event to a partner in one step; with `dry_run`, tells what would leave.
#[utoipa::path(post, path = "/api/v1/shares/with", tag = "shares", request_body = ShareWith,
    responses((status = 201, body = SharedWith, description = "for a dry run what would leave")))]
pub async fn with(
    State(app): State<App>,
    Body(order): Body<ShareWith>,
) -> Result<Response, Failure> {
    let preset = preset::find(&app.settings.presets, &order.preset).map_err(Problem::Preset)?;
    if order.dry_run {
        return app.respond(move |replica| service::preview(replica, &preset, &order)).await;
    }
    let done = app.engine.call(move |replica| service::share(replica, &preset, &order)).await?;
    Ok((StatusCode::CREATED, Json(done)).into_response())
}

/// Every preset.
#[utoipa::path(get, path = "/api/v1/presets", tag = "shares", responses((status = 200, body = Vec<Preset>)))]
pub async fn presets(State(app): State<App>) -> Answer<Vec<Preset>> {
    Ok(Json(preset::list(&app.settings.presets).map_err(Problem::Preset)?))
}

/// Every rule of this org in a share, as a text.
#[utoipa::path(get, path = "/api/v1/shares/{share}/policy", tag = "shares", params(("share" = String, Path)),
    responses((status = 200, body = PolicyText)))]
pub async fn export(State(app): State<App>, Path(name): Path<String>) -> Answer<PolicyText> {
    app.call(move |replica| policy::export(replica, &name)).await
}

/// Makes a share's rules those of a text, all or nothing; with `dry_run`, tells what would change.
#[utoipa::path(post, path = "/api/v1/shares/policy", tag = "shares", request_body = PolicyText,
    responses((status = 200, body = PolicyChange)))]
pub async fn apply(State(app): State<App>, Body(text): Body<PolicyText>) -> Answer<PolicyChange> {
    app.call(move |replica| policy::change(replica, &text)).await
}

/// Lets in what partners passed on; with `dry_run`, tells what would leave.
#[utoipa::path(post, path = "/api/v1/shares/{share}/approve", tag = "shares", params(("share" = String, Path)), request_body = Approve,
    responses((status = 200, body = Approved, description = "for a dry run what would leave")))]
pub async fn approve(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(order): Body<Approve>,
) -> Result<Response, Failure> {
    if order.dry_run {
        return app.respond(move |replica| policy::preview_approve(replica, &name, &order)).await;
    }
    app.respond(move |replica| policy::approve(replica, &name, &order)).await
}

/// Changes settings of this org's part of a share; what is left out stays.
#[utoipa::path(put, path = "/api/v1/shares/{share}/config", tag = "shares", params(("share" = String, Path)), request_body = ShareConfig,
    responses((status = 200, body = ShareConfig)))]
pub async fn configure(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(order): Body<ShareConfig>,
) -> Answer<ShareConfig> {
    app.call(move |replica| policy::configure(replica, &name, &order)).await
}

/// Fields that were granted and are not filled everywhere.
#[utoipa::path(get, path = "/api/v1/shares/{share}/missing", tag = "shares", params(("share" = String, Path)),
    responses((status = 200, body = Vec<MissingField>)))]
pub async fn missing_fields(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Answer<Vec<MissingField>> {
    app.call(move |replica| missing::missing(replica, &name)).await
}
