//! What only customers have, over HTTP: consent, and coming in from files.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::input::{Body, File, Params, Path};
use super::problem::Failure;
use super::progress;
use super::{Answer, App};
use crate::api::customer::{
    Consent, Consented, ExportParams, GiveConsent, GiveConsentToMany, ImportParams, Imported,
    WithdrawConsent,
};
use crate::service::Problem;
use crate::service::consent::{self, Giving};
use crate::service::export::{Exporting, Format};
use crate::service::import::Importing;

/// The consents of a customer.
#[utoipa::path(get, path = "/api/v1/customers/{id}/consent", tag = "customers", params(("id" = String, Path)),
    responses((status = 200, body = Vec<Consent>)))]
pub async fn consents(State(app): State<App>, Path(id): Path<String>) -> Answer<Vec<Consent>> {
    app.call(move |replica| consent::show(replica, &id)).await
}

/// Notes a consent.
#[utoipa::path(post, path = "/api/v1/customers/{id}/consent", tag = "customers", params(("id" = String, Path)), request_body = GiveConsent,
    responses((status = 200, body = Vec<Consent>)))]
pub async fn give(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(order): Body<GiveConsent>,
) -> Answer<Vec<Consent>> {
    app.call(move |replica| consent::give(replica, &id, &order)).await
}

/// Notes that a consent is no longer given; with `dry_run`, tells who would lose what.
#[utoipa::path(post, path = "/api/v1/customers/{id}/consent/withdraw", tag = "customers", params(("id" = String, Path)), request_body = WithdrawConsent,
    responses((status = 200, body = Vec<Consent>, description = "for a dry run what would not be seen any more")))]
pub async fn withdraw(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(order): Body<WithdrawConsent>,
) -> Result<Response, Failure> {
    if order.dry_run {
        return app.respond(move |replica| consent::preview_withdraw(replica, &id, &order)).await;
    }
    app.respond(move |replica| consent::withdraw(replica, &id, &order)).await
}

/// Notes a consent of every customer that a selector fits.
#[utoipa::path(post, path = "/api/v1/customers/consent", tag = "customers", request_body = GiveConsentToMany,
    responses((status = 200, body = Consented, description = "or lines of progress, the last with this")))]
pub async fn give_to_many(
    State(app): State<App>,
    headers: HeaderMap,
    Body(order): Body<GiveConsentToMany>,
) -> Result<Response, Failure> {
    progress::answer(&headers, move |progress| async move {
        let mut giving = Giving::new(order);
        let (total, begun) = app
            .engine
            .call(move |replica| Ok::<_, Problem>((giving.total(replica)?, giving)))
            .await?;
        giving = begun;
        loop {
            let (more, stepped) = app
                .engine
                .call(move |replica| Ok::<_, Problem>((giving.step(replica)?, giving)))
                .await?;
            giving = stepped;
            let given = giving.given();
            progress.tell(given.changed + given.unchanged, Some(total)).await;
            if !more {
                return Ok(given);
            }
        }
    })
    .await
}

/// Own customers as a file. Each is noted in the audit log: a file cannot be taken back.
#[utoipa::path(post, path = "/api/v1/customers/export", tag = "customers", params(ExportParams),
    responses((status = 200, body = Vec<u8>, content_type = "text/csv", description = "or application/json")))]
pub async fn export(
    State(app): State<App>,
    Params(params): Params<ExportParams>,
) -> Result<Response, Failure> {
    let format = Format::named(&params.format)?;
    let mut exporting = Exporting::new(format, params.selector);
    loop {
        let more;
        (more, exporting) = app
            .engine
            .call(move |replica| Ok::<_, Problem>((exporting.step(replica)?, exporting)))
            .await?;
        if !more {
            break;
        }
    }
    let kind = match format {
        Format::Csv => "text/csv; charset=utf-8",
        Format::Json => "application/json",
    };
    let file = tokio::task::spawn_blocking(move || exporting.file());
    let file = file.await.map_err(|_| Failure::Unready)??;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], file).into_response())
}

/// Takes customers from a file.
#[utoipa::path(post, path = "/api/v1/customers/import", tag = "customers", params(ImportParams),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "the file, at most 64 MiB"),
    responses((status = 200, body = Imported, description = "or lines of progress, the last with this")))]
pub async fn import(
    State(app): State<App>,
    headers: HeaderMap,
    Params(params): Params<ImportParams>,
    File(file): File,
) -> Result<Response, Failure> {
    // Reading a large file takes a while; the threads that answer others stay free.
    let read = tokio::task::spawn_blocking(move || Importing::read(params, &file));
    let mut importing = read.await.map_err(|_| Failure::Unready)?.map_err(Problem::from)?;
    progress::answer(&headers, move |progress| async move {
        loop {
            let (more, stepped) = app
                .engine
                .call(move |replica| Ok::<_, Problem>((importing.step(replica)?, importing)))
                .await?;
            importing = stepped;
            progress.tell(importing.done(), Some(importing.total())).await;
            if !more {
                return Ok(importing.imported());
            }
        }
    })
    .await
}
