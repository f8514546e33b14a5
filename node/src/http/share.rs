//! Shares over HTTP.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::input::{Body, Path};
use super::problem::Failure;
use super::progress;
use super::{Answer, App};
use crate::api::Made;
use crate::api::grant::{Granted, NewGrant, Revoke, Revoked};
use crate::api::share::{Leaving, OpenShare, Place, Placed, Share, ShareLine, Withdraw, Withdrawn};
use crate::service::Problem;
use crate::service::share::{self, Placing};

/// Every share this org knows.
#[utoipa::path(get, path = "/api/v1/shares", tag = "shares", responses((status = 200, body = Vec<ShareLine>)))]
pub async fn list(State(app): State<App>) -> Answer<Vec<ShareLine>> {
    app.call(share::list).await
}

/// Opens a share.
#[utoipa::path(post, path = "/api/v1/shares", tag = "shares", request_body = OpenShare, responses((status = 201, body = Made)))]
pub async fn open(
    State(app): State<App>,
    Body(order): Body<OpenShare>,
) -> Result<(StatusCode, Json<Made>), Failure> {
    let made = app.engine.call(move |replica| share::open(replica, &order)).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// One share.
#[utoipa::path(get, path = "/api/v1/shares/{share}", tag = "shares", params(("share" = String, Path)),
    responses((status = 200, body = Share)))]
pub async fn show(State(app): State<App>, Path(name): Path<String>) -> Answer<Share> {
    app.call(move |replica| share::show(replica, &name)).await
}

/// Places records; with `dry_run`, tells what would leave.
#[utoipa::path(post, path = "/api/v1/shares/{share}/records", tag = "shares", params(("share" = String, Path)), request_body = Place,
    responses((status = 200, body = Placed, description = "or lines of progress, the last with this; for a dry run what would leave")))]
pub async fn place(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(order): Body<Place>,
) -> Result<Response, Failure> {
    if order.dry_run {
        return app.respond(move |replica| share::preview_place(replica, &name, &order)).await;
    }
    progress::answer(&headers, move |progress| async move {
        let mut placing =
            app.engine.call(move |replica| Placing::begin(replica, &name, &order)).await?;
        loop {
            let (more, stepped) = app
                .engine
                .call(move |replica| Ok::<_, Problem>((placing.step(replica)?, placing)))
                .await?;
            placing = stepped;
            progress.tell(placing.done(), Some(placing.total())).await;
            if !more {
                return Ok::<Placed, Failure>(placing.placed());
            }
        }
    })
    .await
}

/// Takes records out; with `dry_run`, tells who would lose what.
#[utoipa::path(post, path = "/api/v1/shares/{share}/records/remove", tag = "shares", params(("share" = String, Path)), request_body = Withdraw,
    responses((status = 200, body = Withdrawn, description = "for a dry run what would not be seen any more")))]
pub async fn withdraw(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(order): Body<Withdraw>,
) -> Result<Response, Failure> {
    if order.dry_run {
        return app.respond(move |replica| share::preview_withdraw(replica, &name, &order)).await;
    }
    app.respond(move |replica| share::withdraw(replica, &name, &order)).await
}

/// Grants fields, or the right to add records.
#[utoipa::path(post, path = "/api/v1/shares/{share}/grants", tag = "shares", params(("share" = String, Path)), request_body = NewGrant,
    responses((status = 201, body = Granted)))]
pub async fn grant(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(order): Body<NewGrant>,
) -> Result<(StatusCode, Json<Granted>), Failure> {
    let granted = app.engine.call(move |replica| share::grant(replica, &name, &order)).await?;
    Ok((StatusCode::CREATED, Json(granted)))
}

/// Tells what would leave under a grant.
#[utoipa::path(post, path = "/api/v1/shares/{share}/grants/preview", tag = "shares", params(("share" = String, Path)), request_body = NewGrant,
    responses((status = 200, body = Leaving)))]
pub async fn preview_grant(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(order): Body<NewGrant>,
) -> Answer<Leaving> {
    app.call(move |replica| share::preview_grant(replica, &name, &order)).await
}

/// Ends grants; with `dry_run`, tells who would lose what.
#[utoipa::path(post, path = "/api/v1/shares/{share}/revoke", tag = "shares", params(("share" = String, Path)), request_body = Revoke,
    responses((status = 200, body = Revoked, description = "for a dry run what would not be seen any more")))]
pub async fn revoke(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(order): Body<Revoke>,
) -> Result<Response, Failure> {
    if order.dry_run {
        return app.respond(move |replica| share::preview_revoke(replica, &name, &order)).await;
    }
    app.respond(move |replica| share::revoke(replica, &name, &order)).await
}
