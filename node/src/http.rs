//! The route table of the HTTP API and the pages, and nothing else.

pub mod access;
mod audit;
mod customer;
mod ending;
mod erasure;
mod inbox;
mod input;
mod node;
pub mod openapi;
mod partner;
mod policy;
pub mod problem;
mod progress;
mod record;
mod seeing;
mod share;

#[cfg(test)]
pub(crate) mod tests;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router, http};
use serde::Serialize;
use tokio::net::TcpListener;

use access::Token;
use problem::Failure;

use crate::api;
use crate::directory::Directory;
use crate::engine::EngineHandle;
use crate::pages;
use crate::service::{Problem, Replica};

const BODY_MAX_BYTES: usize = 1 << 20;
const FILE_MAX_BYTES: usize = 64 << 20;

/// What the API needs to know of its surroundings.
#[derive(Debug)]
pub struct HttpSettings {
    /// The secret of every request.
    pub token: Token,
    /// Where the API listens.
    pub address: SocketAddr,
    /// Where presets of this org's own are.
    pub presets: PathBuf,
    /// Whether a proxy in front checks names and speaks TLS.
    pub behind_proxy: bool,
    /// The data directory, whose files go into a backup.
    pub directory: Directory,
}

/// What every handler has.
#[derive(Debug, Clone)]
pub struct App {
    /// The way to the replica.
    pub engine: EngineHandle,
    /// What the API needs to know of its surroundings.
    pub settings: Arc<HttpSettings>,
}

/// What a handler answers.
type Answer<T> = Result<Json<T>, Failure>;

impl App {
    /// What a job at the replica returns.
    async fn call<T, F>(&self, job: F) -> Answer<T>
    where
        F: FnOnce(&mut Replica) -> Result<T, Problem> + Send + 'static,
        T: Send + 'static,
    {
        Ok(Json(self.engine.call(job).await?))
    }

    /// The same, where one path answers with several shapes.
    async fn respond<T, F>(&self, job: F) -> Result<Response, Failure>
    where
        F: FnOnce(&mut Replica) -> Result<T, Problem> + Send + 'static,
        T: Serialize + Send + 'static,
    {
        self.call(job).await.map(Json::into_response)
    }
}

/// Every route.
pub fn router(app: App) -> Router {
    let files = Router::new()
        .route("/customers/import", post(customer::import))
        .route("/customers/export", post(customer::export))
        .layer(DefaultBodyLimit::max(FILE_MAX_BYTES));
    let api = Router::new()
        .route("/status", get(node::status))
        .route("/owed", get(node::owed))
        .route("/fields", get(node::fields))
        .route("/store/dump", get(node::dump))
        .route("/store/compact", post(node::compact))
        .route("/store/verify", get(node::verify))
        .route("/backup", get(node::backup))
        .route("/nodes", get(node::nodes))
        .route("/nodes/introduction", get(node::introduction))
        .route("/nodes/learn", post(node::learn))
        .route("/nodes/go-on", post(node::go_on))
        .route("/partners", get(partner::list))
        .route("/partners/invite", post(partner::invite))
        .route("/partners/accept", post(partner::accept))
        .route("/partners/{partner}", get(partner::show).delete(partner::remove))
        .route("/partners/{partner}/remove/preview", get(partner::preview_remove))
        .route("/partners/{partner}/confirm", post(partner::confirm))
        .route("/partners/{partner}/pause", post(partner::pause))
        .route("/partners/{partner}/resume", post(partner::resume))
        .route("/partners/{partner}/ping", post(partner::ping))
        .route("/partners/{partner}/alias", put(partner::alias))
        .route("/inbox", get(inbox::list))
        .route("/inbox/dismiss", post(inbox::dismiss))
        .route("/shares", get(share::list).post(share::open))
        .route("/presets", get(policy::presets))
        .route("/shares/with", post(policy::with))
        .route("/shares/policy", post(policy::apply))
        .route("/shares/{share}/policy", get(policy::export))
        .route("/shares/{share}/approve", post(policy::approve))
        .route("/shares/{share}/config", put(policy::configure))
        .route("/shares/{share}/missing", get(policy::missing_fields))
        .route("/shares/{share}", get(share::show))
        .route("/shares/{share}/close", post(ending::close))
        .route("/shares/{share}/leave", post(ending::leave))
        .route("/shares/{share}/records", post(share::place))
        .route("/shares/{share}/records/remove", post(share::withdraw))
        .route("/shares/{share}/grants", post(share::grant))
        .route("/shares/{share}/grants/preview", post(share::preview_grant))
        .route("/shares/{share}/revoke", post(share::revoke))
        .route("/shares/{share}/receipts", get(ending::receipts))
        .route("/shares/{share}/matrix", get(seeing::matrix))
        .route("/shares/{share}/preview", get(seeing::preview))
        .route("/shares/{share}/explain", get(seeing::explain))
        .route("/records/{id}", get(record::show_any))
        .route("/records/{id}/adopt", post(erasure::adopt))
        .route("/customers/consent", post(customer::give_to_many))
        .route("/customers/{id}/consent", get(customer::consents).post(customer::give))
        .route("/customers/{id}/consent/withdraw", post(customer::withdraw))
        .route("/customers/{id}/erase", post(erasure::erase))
        .route("/customers/{id}/erasures", get(erasure::erasures))
        .route("/customers/{id}/disclosures", get(audit::disclosures))
        .route("/audit", get(audit::lines))
        .route("/audit/verify", get(audit::verify))
        .route("/events/{id}/roster", get(record::roster))
        .route("/events/{id}/participations", post(record::add_participations))
        .route("/{kind}", get(record::list).post(record::create))
        .route("/{kind}/conflicts", get(record::all_conflicts))
        .route("/{kind}/{id}", get(record::show).patch(record::set).delete(record::delete))
        .route("/{kind}/{id}/delete/preview", get(record::preview_delete))
        .route("/{kind}/{id}/history", get(record::history))
        .route("/{kind}/{id}/undo", post(record::undo))
        .route("/{kind}/{id}/conflicts", get(record::conflicts))
        .route("/{kind}/{id}/resolve", post(record::resolve))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .merge(files)
        .layer(from_fn_with_state(app.clone(), access::with_token))
        .route("/openapi.json", get(openapi::document));
    let pages = Router::new()
        .route("/", get(pages::home::show))
        .route("/events/{id}", get(pages::event::show))
        .layer(from_fn_with_state(app.clone(), pages::door::with_session))
        .route(pages::STYLE_PATH, get(pages::style))
        .layer(map_response(pages::walled));
    Router::new()
        .nest(api::ROOT, api)
        .merge(pages)
        .route("/healthz", get(node::healthy))
        .route("/readyz", get(node::ready))
        .fallback(|| async { Failure::NoSuchPlace })
        .method_not_allowed_fallback(|| async { Failure::Method })
        .layer(from_fn_with_state(app.clone(), access::from_own_host))
        .layer(map_response(hardened))
        .with_state(app)
}

/// What no browser and no cache may do with an answer.
async fn hardened(mut response: Response) -> Response {
    for (name, value) in [
        (http::header::CACHE_CONTROL, "no-store"),
        (http::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (http::header::REFERRER_POLICY, "no-referrer"),
    ] {
        let value = http::HeaderValue::from_static(value);
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Serves the API until `shutdown` is done; requests under way are finished.
pub async fn serve(
    listener: TcpListener,
    app: App,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router(app)).with_graceful_shutdown(shutdown).await
}
