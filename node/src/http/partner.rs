//! Partners over HTTP.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tokio::time::{Instant, sleep, timeout};

use super::input::{Body, Path};
use super::problem::Failure;
use super::{Answer, App};
use crate::api::Done;
use crate::api::partner::{Accepted, Alias, Invite, NewInvite, Partner, Ping};
use crate::api::share::Leaving;
use crate::service::Problem;
use crate::service::partner::{self, Verb};

/// How long a pairing may take until both nodes have stored it.
const PAIRING_MAX: Duration = Duration::from_secs(30);
const PAIRING_POLL: Duration = Duration::from_millis(50);

/// How long an answer may take, the next ping included. The connection of a peer that is silent for
/// longer ends by itself.
const PING_MAX: Duration = Duration::from_secs(8);

/// Every partner.
#[utoipa::path(get, path = "/api/v1/partners", tag = "partners", responses((status = 200, body = Vec<Partner>)))]
pub async fn list(State(app): State<App>) -> Answer<Vec<Partner>> {
    app.call(partner::list).await
}

/// One partner.
#[utoipa::path(get, path = "/api/v1/partners/{partner}", tag = "partners", params(("partner" = String, Path)),
    responses((status = 200, body = Partner)))]
pub async fn show(State(app): State<App>, Path(name): Path<String>) -> Answer<Partner> {
    app.call(move |replica| partner::show(replica, &name)).await
}

/// Makes an invite.
#[utoipa::path(post, path = "/api/v1/partners/invite", tag = "partners", request_body = NewInvite,
    responses((status = 201, body = Invite)))]
pub async fn invite(
    State(app): State<App>,
    Body(order): Body<NewInvite>,
) -> Result<(StatusCode, Json<Invite>), Failure> {
    let invite = app.engine.call(move |replica| partner::invite(replica, &order)).await?;
    Ok((StatusCode::CREATED, Json(invite)))
}

/// Accepts an invite; answers when both nodes have stored the pairing.
#[utoipa::path(post, path = "/api/v1/partners/accept", tag = "partners", request_body = Invite,
    responses((status = 200, body = Accepted)))]
pub async fn accept(State(app): State<App>, Body(line): Body<Invite>) -> Answer<Accepted> {
    let org = app.engine.call(move |replica| partner::accept(replica, &line.invite)).await?;
    let deadline = Instant::now() + PAIRING_MAX;
    loop {
        let accepted = app.engine.call(move |replica| partner::accepted(replica, &org)).await?;
        match accepted {
            Some(accepted) => return Ok(Json(accepted)),
            None if Instant::now() > deadline => {
                let name = "the inviting node".to_owned();
                let waited_s = PAIRING_MAX.as_secs();
                return Err(Problem::Silent { name, waited_s }.into());
            }
            None => sleep(PAIRING_POLL).await,
        }
    }
}

/// Notes that the verification codes were compared.
#[utoipa::path(post, path = "/api/v1/partners/{partner}/confirm", tag = "partners", params(("partner" = String, Path)),
    responses((status = 200, body = Partner)))]
pub async fn confirm(app: State<App>, name: Path<String>) -> Answer<Partner> {
    act(app, name, Verb::Confirm).await
}

/// Exchanges nothing with a partner for now.
#[utoipa::path(post, path = "/api/v1/partners/{partner}/pause", tag = "partners", params(("partner" = String, Path)),
    responses((status = 200, body = Partner)))]
pub async fn pause(app: State<App>, name: Path<String>) -> Answer<Partner> {
    act(app, name, Verb::Pause).await
}

/// Exchanges with a partner again.
#[utoipa::path(post, path = "/api/v1/partners/{partner}/resume", tag = "partners", params(("partner" = String, Path)),
    responses((status = 200, body = Partner)))]
pub async fn resume(app: State<App>, name: Path<String>) -> Answer<Partner> {
    act(app, name, Verb::Resume).await
}

async fn act(State(app): State<App>, Path(name): Path<String>, verb: Verb) -> Answer<Partner> {
    app.call(move |replica| partner::act(replica, &name, verb)).await
}

/// Ends a partnership.
#[utoipa::path(delete, path = "/api/v1/partners/{partner}", tag = "partners", params(("partner" = String, Path)),
    responses((status = 200, body = Done)))]
pub async fn remove(State(app): State<App>, Path(name): Path<String>) -> Answer<Done> {
    app.call(move |replica| partner::remove(replica, &name)).await
}

/// Tells who would lose what if a partnership ended.
#[utoipa::path(get, path = "/api/v1/partners/{partner}/remove/preview", tag = "partners", params(("partner" = String, Path)),
    responses((status = 200, body = Leaving)))]
pub async fn preview_remove(State(app): State<App>, Path(name): Path<String>) -> Answer<Leaving> {
    app.call(move |replica| partner::preview_remove(replica, &name)).await
}

/// Gives a partner another name here.
#[utoipa::path(put, path = "/api/v1/partners/{partner}/alias", tag = "partners", params(("partner" = String, Path)), request_body = Alias,
    responses((status = 200, body = Partner)))]
pub async fn alias(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(order): Body<Alias>,
) -> Answer<Partner> {
    app.call(move |replica| partner::alias(replica, &name, &order)).await
}

/// Measures the way to a partner and back; takes as long as the next ping, a few seconds.
#[utoipa::path(post, path = "/api/v1/partners/{partner}/ping", tag = "partners", params(("partner" = String, Path)),
    responses((status = 200, body = Ping)))]
pub async fn ping(State(app): State<App>, Path(name): Path<String>) -> Answer<Ping> {
    let asked = name.clone();
    let find = move |replica: &mut _| partner::connection(replica, &asked);
    let (org, conn) = app.engine.call(find).await?;
    match timeout(PING_MAX, app.engine.round_trip(conn)).await {
        Ok(Some(round_trip)) => Ok(Json(partner::ping(org, round_trip))),
        Ok(None) => {
            let why = move |replica: &mut _| partner::not_connected(replica, &name);
            Err(app.engine.call(why).await?.into())
        }
        Err(_) => Err(Problem::Hangs { name: org.name, waited_s: PING_MAX.as_secs() }.into()),
    }
}
