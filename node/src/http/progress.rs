//! Long work as an answer: whole, or – for those who ask for JSON lines – with a line per step.
//! Whoever goes away stops the work between two steps; what was done stays done.

use std::convert::Infallible;

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Serialize;
use tokio::sync::mpsc;

use super::problem::Failure;
use crate::api::{PROGRESS_TYPE, Step};

const LINES_WAITING: usize = 16;

/// Where work tells how far it has come.
#[derive(Debug, Clone)]
pub struct Progress(Option<mpsc::Sender<Step<()>>>);

impl Progress {
    /// Tells it; waits while nobody reads.
    pub async fn tell(&self, done: u64, total: Option<u64>) {
        if let Some(sender) = &self.0 {
            let _ = sender.send(Step::Progress { done, total }).await;
        }
    }
}

/// Runs `work` and answers with its result, after lines of progress if the client accepts them.
pub async fn answer<T, W, F>(headers: &HeaderMap, work: W) -> Result<Response, Failure>
where
    T: Serialize + Send + 'static,
    W: FnOnce(Progress) -> F,
    F: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let wanted = headers.get(header::ACCEPT).is_some_and(|value| value == PROGRESS_TYPE);
    if !wanted {
        return Ok(Json(work(Progress(None)).await?).into_response());
    }
    let (sender, receiver) = mpsc::channel(LINES_WAITING);
    let work = work(Progress(Some(sender)));
    let lines = stream::unfold(Some((Box::pin(work), receiver)), |state| async move {
        let (mut work, mut receiver) = state?;
        tokio::select! {
            biased;
            Some(step) = receiver.recv() => {
                let line = match step {
                    Step::Progress { done, total } => line(&Step::<()>::Progress { done, total }),
                    Step::Result(()) | Step::Problem(_) => String::new(),
                };
                Some((line, Some((work, receiver))))
            }
            result = &mut work => Some((
                match result {
                    Ok(result) => line(&Step::Result(result)),
                    Err(failure) => line(&Step::<()>::Problem(failure.body())),
                },
                None,
            )),
        }
    });
    let body = Body::from_stream(futures::StreamExt::map(lines, Ok::<_, Infallible>));
    let kind = HeaderValue::from_static(PROGRESS_TYPE);
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

fn line<T: Serialize>(step: &Step<T>) -> String {
    let text = serde_json::to_string(step).or_else(|error| {
        serde_json::to_string(&Step::<()>::Problem(Failure::Answer(error).body()))
    });
    text.map(|text| text + "\n").unwrap_or_default()
}
