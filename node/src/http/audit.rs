//! The audit log and the disclosures of a customer, over HTTP.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use entente_protocol::audit::Head;

use super::App;
use super::input::{Params, Path};
use super::problem::Failure;
use crate::api::audit::{
    AuditLine, AuditParams, Disclosure, DisclosureParams, Verified, VerifyParams,
};
use crate::api::{self, address};
use crate::pages::report;
use crate::pages::words::Lang;
use crate::service::{Problem, audit, disclosure};

const NO_FORMAT: &str = "the formats are json, html and csv";
const NO_LANG: &str = "the languages are en and zh";
const NO_HEAD: &str = "`noted` is not what `audit verify` printed";

/// The audit log, newest lines first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(AuditParams),
    responses((status = 200, body = Vec<AuditLine>, headers(("Link" = String, description = "rel=\"next\" when there is more")))))]
pub async fn lines(
    State(app): State<App>,
    Params(params): Params<AuditParams>,
) -> Result<Response, Failure> {
    let limit = params.limit.unwrap_or(api::DEFAULT_LIMIT);
    let (mut items, mut next) = (Vec::new(), params.cursor.clone());
    loop {
        let rest = limit - items.len();
        let query = AuditParams { cursor: next.take(), limit: Some(rest), ..params.clone() };
        let part = app.engine.call(move |replica| audit::lines(replica, &query)).await?;
        items.extend(part.items);
        next = part.next;
        if next.is_none() || items.len() >= limit {
            break;
        }
    }
    let link = next.and_then(|cursor| {
        let query = AuditParams { cursor: Some(cursor), ..params };
        let uri = format!("{}/audit?{}", api::ROOT, address::query(&query));
        HeaderValue::from_str(&format!("<{uri}>; rel=\"next\"")).ok()
    });
    let mut response = Json(items).into_response();
    response.headers_mut().extend(link.map(|link| (header::LINK, link)));
    Ok(response)
}

/// Recomputes the audit log.
#[utoipa::path(get, path = "/api/v1/audit/verify", tag = "audit", params(VerifyParams),
    responses((status = 200, body = Verified), (status = 409, description = "what is wrong with it")))]
pub async fn verify(
    State(app): State<App>,
    Params(params): Params<VerifyParams>,
) -> Result<Json<Verified>, Failure> {
    let noted: Option<Head> = match params.noted {
        Some(text) => Some(text.parse().map_err(|_| Problem::Shape(NO_HEAD))?),
        None => None,
    };
    let verified = tokio::task::spawn_blocking(move || app.engine.verify_audit(noted.as_ref()));
    let head = verified.await.map_err(|_| Failure::Unready)?.map_err(Problem::from)?;
    Ok(Json(Verified { lines: head.count, head: head.to_string() }))
}

/// Who was given what of a customer, also of one that was erased.
#[utoipa::path(get, path = "/api/v1/customers/{id}/disclosures", tag = "audit",
    params(("id" = String, Path), DisclosureParams),
    responses((status = 200, body = Vec<Disclosure>, description = "or a page for the customer, or a table")))]
pub async fn disclosures(
    State(app): State<App>,
    Path(id): Path<String>,
    Params(params): Params<DisclosureParams>,
) -> Result<Response, Failure> {
    let lang = Lang::from_tag(params.lang.as_deref().unwrap_or("en"));
    let lang = lang.ok_or(Problem::Shape(NO_LANG))?;
    let format = params.format.unwrap_or_else(|| "json".to_owned());
    if !["json", "html", "csv"].contains(&format.as_str()) {
        return Err(Problem::Shape(NO_FORMAT).into());
    }
    let report = app.engine.call(move |replica| disclosure::report(replica, &id)).await?;
    let typed = |kind| [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
    Ok(match format.as_str() {
        "html" => (typed("text/html; charset=utf-8"), report::page(&report, lang).into_string())
            .into_response(),
        "csv" => (typed("text/csv; charset=utf-8"), disclosure::csv(&report)?).into_response(),
        _ => Json(report.items).into_response(),
    })
}
