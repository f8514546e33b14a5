//! Records of every kind over HTTP.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::input::{Body, Params, Path, kind};
use super::problem::Failure;
use super::{Answer, App};
use crate::api::record::{
    AddParticipations, Change, Conflict, HistoryParams, ListParams, Participations, Record,
    Resolve, RosterRow, Undo, Values,
};
use crate::api::share::Leaving;
use crate::api::{self, Done, Made, address};
use crate::service::record::Part;
use crate::service::{participation, record};

/// Records read by one call of the engine while a long list is gathered.
const READ_CHUNK: usize = 1000;

/// Lists records of a kind.
#[utoipa::path(get, path = "/api/v1/{kind}", tag = "records", params(("kind" = String, Path), ListParams),
    responses((status = 200, body = Vec<Record>, headers(("Link" = String, description = "rel=\"next\" when there is more")))))]
pub async fn list(
    State(app): State<App>,
    Path(word): Path<String>,
    Params(params): Params<ListParams>,
) -> Result<Response, Failure> {
    let kind = kind(&word)?;
    let limit = params.limit.unwrap_or(api::DEFAULT_LIMIT);
    let mut page = Part { items: Vec::new(), next: params.cursor.clone() };
    loop {
        let rest = limit - page.items.len();
        let query = ListParams {
            cursor: page.next.take(),
            limit: Some(if params.sort.is_some() { rest } else { rest.min(READ_CHUNK) }),
            ..params.clone()
        };
        let part = app.engine.call(move |replica| record::list(replica, kind, &query)).await?;
        page.items.extend(part.items);
        page.next = part.next;
        if page.next.is_none() || page.items.len() >= limit {
            break;
        }
    }
    let link = match &page.next {
        Some(cursor) => {
            let query = ListParams { cursor: Some(cursor.clone()), ..params };
            let uri = format!("{}/{word}?{}", api::ROOT, address::query(&query));
            HeaderValue::from_str(&format!("<{uri}>; rel=\"next\"")).ok()
        }
        None => None,
    };
    let mut response = Json(page.items).into_response();
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// Makes a record.
#[utoipa::path(post, path = "/api/v1/{kind}", tag = "records", params(("kind" = String, Path)), request_body = Values,
    responses((status = 201, body = Made)))]
pub async fn create(
    State(app): State<App>,
    Path(word): Path<String>,
    Body(values): Body<Values>,
) -> Result<Response, Failure> {
    let kind = kind(&word)?;
    let made = app.engine.call(move |replica| record::create(replica, kind, &values)).await?;
    let place = format!("{}/{word}/{}", api::ROOT, made.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(made)).into_response())
}

/// Shows a record.
#[utoipa::path(get, path = "/api/v1/{kind}/{id}", tag = "records", params(("kind" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = Record, headers(("ETag" = String)))))]
pub async fn show(
    State(app): State<App>,
    Path((word, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let kind = kind(&word)?;
    let record = app.engine.call(move |replica| record::show(replica, Some(kind), &id)).await?;
    Ok(tagged(record))
}

/// Shows a record whose kind the id says.
#[utoipa::path(get, path = "/api/v1/records/{id}", tag = "records", params(("id" = String, Path)),
    responses((status = 200, body = Record, headers(("ETag" = String)))))]
pub async fn show_any(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Failure> {
    Ok(tagged(app.engine.call(move |replica| record::show(replica, None, &id)).await?))
}

/// Changes fields of a record.
#[utoipa::path(patch, path = "/api/v1/{kind}/{id}", tag = "records", params(("kind" = String, Path), ("id" = String, Path),
    ("If-Match" = Option<String>, Header, description = "the ETag the record must still have")), request_body = Values,
    responses((status = 200, body = Record, headers(("ETag" = String))), (status = 412, description = "changed since")))]
pub async fn set(
    State(app): State<App>,
    Path((word, id)): Path<(String, String)>,
    headers: HeaderMap,
    Body(values): Body<Values>,
) -> Result<Response, Failure> {
    let kind = kind(&word)?;
    let expected = if_match(&headers);
    let set = move |replica: &mut _| record::set(replica, kind, &id, &values, expected.as_deref());
    Ok(tagged(app.engine.call(set).await?))
}

/// Deletes an own record.
#[utoipa::path(delete, path = "/api/v1/{kind}/{id}", tag = "records", params(("kind" = String, Path), ("id" = String, Path),
    ("If-Match" = Option<String>, Header, description = "the ETag the record must still have")),
    responses((status = 200, body = Done), (status = 412, description = "changed since")))]
pub async fn delete(
    State(app): State<App>,
    Path((word, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer<Done> {
    let kind = kind(&word)?;
    let expected = if_match(&headers);
    let delete = move |replica: &mut _| record::delete(replica, kind, &id, expected.as_deref());
    app.call(delete).await
}

/// Tells who would lose what if an own record were deleted.
#[utoipa::path(get, path = "/api/v1/{kind}/{id}/delete/preview", tag = "records", params(("kind" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = Leaving)))]
pub async fn preview_delete(
    State(app): State<App>,
    Path((word, id)): Path<(String, String)>,
) -> Answer<Leaving> {
    let kind = kind(&word)?;
    app.call(move |replica| record::preview_delete(replica, kind, &id)).await
}

/// The changes of a record, newest first.
#[utoipa::path(get, path = "/api/v1/{kind}/{id}/history", tag = "records", params(("kind" = String, Path), ("id" = String, Path), HistoryParams),
    responses((status = 200, body = Vec<Change>)))]
pub async fn history(
    State(app): State<App>,
    Path((word, id)): Path<(String, String)>,
    Params(params): Params<HistoryParams>,
) -> Answer<Vec<Change>> {
    let kind = kind(&word)?;
    let field = params.field;
    let read = move |replica: &mut _| record::history(replica, kind, &id, field.as_deref());
    app.call(read).await
}

/// Takes back a change by a new one.
#[utoipa::path(post, path = "/api/v1/{kind}/{id}/undo", tag = "records", params(("kind" = String, Path), ("id" = String, Path)), request_body = Undo,
    responses((status = 200, body = Record)))]
pub async fn undo(
    State(app): State<App>,
    Path((word, id)): Path<(String, String)>,
    Body(order): Body<Undo>,
) -> Result<Response, Failure> {
    let kind = kind(&word)?;
    let undo = move |replica: &mut _| record::undo(replica, kind, &id, &order.change);
    Ok(tagged(app.engine.call(undo).await?))
}

/// The conflicts of all records of a kind.
#[utoipa::path(get, path = "/api/v1/{kind}/conflicts", tag = "records", params(("kind" = String, Path)),
    responses((status = 200, body = Vec<Conflict>)))]
pub async fn all_conflicts(
    State(app): State<App>,
    Path(word): Path<String>,
) -> Answer<Vec<Conflict>> {
    let kind = kind(&word)?;
    app.call(move |replica| record::all_conflicts(replica, kind)).await
}

/// The conflicts of a record.
#[utoipa::path(get, path = "/api/v1/{kind}/{id}/conflicts", tag = "records", params(("kind" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = Vec<Conflict>)))]
pub async fn conflicts(
    State(app): State<App>,
    Path((word, id)): Path<(String, String)>,
) -> Answer<Vec<Conflict>> {
    let kind = kind(&word)?;
    app.call(move |replica| record::conflicts(replica, kind, &id)).await
}

/// Settles a conflict.
#[utoipa::path(post, path = "/api/v1/{kind}/{id}/resolve", tag = "records", params(("kind" = String, Path), ("id" = String, Path)), request_body = Resolve,
    responses((status = 200, body = Record)))]
pub async fn resolve(
    State(app): State<App>,
    Path((word, id)): Path<(String, String)>,
    Body(order): Body<Resolve>,
) -> Result<Response, Failure> {
    let kind = kind(&word)?;
    let resolve = move |replica: &mut _| record::resolve(replica, kind, &id, &order);
    Ok(tagged(app.engine.call(resolve).await?))
}

/// Everyone at an event.
#[utoipa::path(get, path = "/api/v1/events/{id}/roster", tag = "records", params(("id" = String, Path)),
    responses((status = 200, body = Vec<RosterRow>)))]
pub async fn roster(State(app): State<App>, Path(id): Path<String>) -> Answer<Vec<RosterRow>> {
    app.call(move |replica| record::roster(replica, &id)).await
}

/// Adds customers or staff to an event; with `dry_run`, tells what would leave.
#[utoipa::path(post, path = "/api/v1/events/{id}/participations", tag = "records", params(("id" = String, Path)), request_body = AddParticipations,
    responses((status = 201, body = Participations), (status = 200, body = Leaving, description = "dry run")))]
pub async fn add_participations(
    State(app): State<App>,
    Path(event): Path<String>,
    Body(order): Body<AddParticipations>,
) -> Result<Response, Failure> {
    if order.dry_run {
        return app.respond(move |replica| participation::preview(replica, &event, &order)).await;
    }
    let add = move |replica: &mut _| participation::add(replica, &event, &order);
    Ok((StatusCode::CREATED, Json(app.engine.call(add).await?)).into_response())
}

fn if_match(headers: &HeaderMap) -> Option<String> {
    headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn tagged(record: Record) -> Response {
    ([(header::ETAG, record::tag(&record))], Json(record)).into_response()
}
