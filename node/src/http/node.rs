//! The node itself over HTTP: state, vocabulary, dump, and the two probes.

use std::io::{self, Write};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use entente_protocol::refusal::Refusal;
use futures::stream;
use tokio::sync::mpsc;

use super::input::{Body as Input, Params};
use super::problem::Failure;
use super::{Answer, App};
use crate::api::node::{Compacted, Field, FieldParams, Owed, OwedParams, Status, StoreReport};
use crate::api::own::{Introduction, Learn, OwnNode, WentOn};
use crate::api::{Done, PROGRESS_TYPE};
use crate::service::{Problem, own, status as node};
use crate::store::Rewritten;

const DUMP_CHUNK_BYTES: usize = 64 << 10;
const DUMP_CHUNKS_WAITING: usize = 8;

/// How the node stands.
#[utoipa::path(get, path = "/api/v1/status", tag = "node", responses((status = 200, body = Status)))]
pub async fn status(State(app): State<App>) -> Answer<Status> {
    let http = format!("http://{}", app.settings.address);
    let listen = app.engine.listen();
    let store_bytes = app.engine.store_bytes();
    let status = move |replica: &mut _| node::status(replica, http, listen, store_bytes);
    app.call(status).await
}

/// What is still on its way.
#[utoipa::path(get, path = "/api/v1/owed", tag = "node", params(OwedParams), responses((status = 200, body = Owed)))]
pub async fn owed(State(app): State<App>, Params(params): Params<OwedParams>) -> Answer<Owed> {
    let owed = move |replica: &mut _| node::owed(replica, params.partner.as_deref());
    app.call(owed).await
}

/// The vocabulary.
#[utoipa::path(get, path = "/api/v1/fields", tag = "node", params(FieldParams), responses((status = 200, body = Vec<Field>)))]
pub async fn fields(Params(params): Params<FieldParams>) -> Answer<Vec<Field>> {
    Ok(Json(node::fields(params.kind.as_deref())?))
}

/// Writes the store anew, so that what was erased is in no file of it; answers when it is.
#[utoipa::path(post, path = "/api/v1/store/compact", tag = "node", responses((status = 200, body = Compacted)))]
pub async fn compact(State(app): State<App>) -> Answer<Compacted> {
    let Rewritten { entries, bytes_before, bytes_after } = app.engine.compact::<Problem>().await?;
    Ok(Json(Compacted { entries, bytes_before, bytes_after }))
}

/// Looks at everything in the store; an answer also where something is wrong.
#[utoipa::path(get, path = "/api/v1/store/verify", tag = "node", responses((status = 200, body = StoreReport)))]
pub async fn verify(State(app): State<App>) -> Answer<StoreReport> {
    let looked = tokio::task::spawn_blocking(move || app.engine.verify_store());
    let report = looked.await.map_err(|_| Failure::Unready)?;
    let report = report.map_err(|error| Problem::from(Refusal::from(error)))?;
    Ok(Json(report.into()))
}

/// Everything the store holds, one JSON line each.
#[utoipa::path(get, path = "/api/v1/store/dump", tag = "node",
    responses((status = 200, content_type = "application/x-ndjson", body = String)))]
pub async fn dump(State(app): State<App>) -> Response {
    let (sender, receiver) = mpsc::channel(DUMP_CHUNKS_WAITING);
    tokio::task::spawn_blocking(move || {
        let mut out = Chunks { sender, chunk: Vec::with_capacity(DUMP_CHUNK_BYTES) };
        let dumped = app.engine.dump(&mut out).and_then(|()| out.flush());
        if let Err(error) = dumped {
            // The body ends with an error, so that half a dump is not taken for a whole one.
            let _ = out.sender.blocking_send(Err(error));
        }
    });
    let chunks = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    let kind = HeaderValue::from_static(PROGRESS_TYPE);
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(chunks)).into_response()
}

/// Everything that is needed to go on from this moment on another machine, the root key apart.
#[utoipa::path(get, path = "/api/v1/backup", tag = "node",
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>)))]
pub async fn backup(State(app): State<App>) -> Response {
    let (sender, receiver) = mpsc::channel(DUMP_CHUNKS_WAITING);
    tokio::task::spawn_blocking(move || {
        let mut out = Chunks { sender, chunk: Vec::with_capacity(DUMP_CHUNK_BYTES) };
        let written = app.settings.directory.to_back_up().map_err(io::Error::other);
        let written = written.and_then(|files| app.engine.backup(&files, &mut out));
        if let Err(error) = written {
            tracing::warn!(%error, "a backup was not written");
            // The body ends with an error, so that half a backup is not taken for a whole one.
            let _ = out.sender.blocking_send(Err(error));
        }
    });
    let chunks = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    let kind = HeaderValue::from_static("application/octet-stream");
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(chunks)).into_response()
}

/// The nodes of this org.
#[utoipa::path(get, path = "/api/v1/nodes", tag = "node", responses((status = 200, body = Vec<OwnNode>)))]
pub async fn nodes(State(app): State<App>) -> Answer<Vec<OwnNode>> {
    app.call(own::list).await
}

/// What whoever holds the root key needs to know.
#[utoipa::path(get, path = "/api/v1/nodes/introduction", tag = "node", responses((status = 200, body = Introduction)))]
pub async fn introduction(State(app): State<App>) -> Answer<Introduction> {
    app.call(own::introduction).await
}

/// Takes what the root key has signed.
#[utoipa::path(post, path = "/api/v1/nodes/learn", tag = "node", request_body = Learn, responses((status = 200, body = Done)))]
pub async fn learn(State(app): State<App>, Input(learn): Input<Learn>) -> Answer<Done> {
    app.engine.call(move |replica| own::learn(replica, &learn)).await?;
    Ok(Json(Done {}))
}

/// Does not wait any longer for those who may know more than a restored node.
#[utoipa::path(post, path = "/api/v1/nodes/go-on", tag = "node", responses((status = 200, body = WentOn)))]
pub async fn go_on(State(app): State<App>) -> Answer<WentOn> {
    app.call(own::go_on).await
}

/// A writer whose chunks become the body of an answer; waits while nobody reads.
struct Chunks {
    sender: mpsc::Sender<io::Result<Bytes>>,
    chunk: Vec<u8>,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= DUMP_CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::take(&mut self.chunk));
        self.sender.blocking_send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Whether the process lives.
pub async fn healthy() -> Json<Done> {
    Json(Done {})
}

/// Whether the node takes requests.
pub async fn ready(State(app): State<App>) -> Answer<Done> {
    let asked = app.engine.call(|replica| {
        replica.me();
        Ok::<_, Problem>(Done {})
    });
    asked.await.map(Json).map_err(|_| Failure::Unready)
}
