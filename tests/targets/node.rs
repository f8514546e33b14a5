//! What is fuzzed of the node: tables, frames on the wire, and requests to the API.

use std::cell::RefCell;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use entente_protocol::vocabulary::Kind;
use futures::executor::block_on;
use futures::io::Cursor;
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::config::{Config, Flags};
use crate::directory::Directory;
use crate::http::access::Token;
use crate::http::{App, HttpSettings, router};
use crate::import::csv::read_csv;
use crate::network::frame::{FrameReader, FrameWriter};

/// The limit on frames that is tried.
const FRAME_MAX: usize = 64 * 1024;
const TOKEN: &str = "a token";
/// Requests after which everything begins anew.
const REQUESTS_MAX: usize = 2000;
/// Longer than any request takes that waits for nobody.
const PATIENCE: Duration = Duration::from_secs(2);

/// A table: every line of it is a row, or told to be none.
pub fn csv(data: &[u8]) {
    for kind in [Kind::Customer, Kind::Event] {
        let Ok(imported) = read_csv(kind, data) else { continue };
        let rows = imported.rows.iter().map(|row| row.line);
        let mut lines: Vec<u64> = rows.chain(imported.rejected.iter().map(|r| r.line)).collect();
        lines.sort_unstable();
        assert!(lines.is_sorted_by(|a, b| a < b), "a line is told of once: {lines:?}");
        let last = 1 + data.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64;
        assert!(lines.iter().all(|line| (2..=last).contains(line)), "{lines:?} of {last}");
        for row in &imported.rows {
            for (name, value) in &row.fields {
                let json = entente_protocol::vocabulary::to_json(kind, name, value);
                let again = entente_protocol::vocabulary::from_json(kind, name, &json);
                assert_eq!(again.as_ref().ok(), Some(value), "{name} {json}");
            }
        }
    }
}

/// Frames as they come from a peer, and the same bytes written and read back.
pub fn wire(data: &[u8]) {
    let mut input = Cursor::new(data);
    let mut reader = FrameReader::default();
    while let Ok(Some(header)) = block_on(reader.header(&mut input)) {
        if header.check(FRAME_MAX).is_err() {
            break;
        }
        let Ok(body) = block_on(reader.body(&mut input, header, FRAME_MAX)) else { break };
        assert!(body.len() <= FRAME_MAX);
    }
    let mut written = Vec::new();
    block_on(FrameWriter::default().write(&mut written, data)).expect("a vector takes all");
    let mut input = Cursor::new(&written);
    let header = block_on(reader.header(&mut input)).expect("a header").expect("a frame");
    let body = block_on(reader.body(&mut input, header, data.len())).expect("what was written");
    assert_eq!(body, data);
}

/// A company's node without a door: the router and all that is behind it.
struct Served {
    router: Router,
    path: std::path::PathBuf,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

impl Served {
    async fn start(name: &str) -> Self {
        let id =
            format!("entente-api-{}-{name}-{:?}", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(id);
        let _ = std::fs::remove_dir_all(&path);
        let directory = Directory::at(&path);
        crate::start::init(&directory, name).expect("a new directory");
        let flags = Flags { listen: vec!["/ip4/127.0.0.1/tcp/0".into()], ..Flags::default() };
        let config = Config::read(&path, &flags, &|_| None).expect("settings");
        let prepared = crate::start::Prepared::open(&directory, &config).await;
        let prepared = prepared.unwrap_or_else(|error| panic!("it opens: {error}"));
        let (engine, ..) = prepared.start().expect("it starts");
        let settings = HttpSettings {
            presets: directory.presets(),
            directory,
            token: Token::new(TOKEN.into()),
            address: "127.0.0.1:1".parse().expect("an address"),
            behind_proxy: false,
        };
        Self { router: router(App { engine, settings: settings.into() }), path }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Option<(StatusCode, Vec<u8>)> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .ok()?;
        let answer = self.router.clone().oneshot(request).await.expect("a router always answers");
        let status = answer.status();
        Some((
            status,
            to_bytes(answer.into_body(), usize::MAX).await.expect("a whole answer").to_vec(),
        ))
    }

    async fn made(&self, path: &str, body: Json) -> Json {
        let answer = self.ask(Method::POST, path, body.to_string().into_bytes()).await;
        let (status, bytes) = answer.expect("a request");
        assert!(status.is_success(), "{path}: {}", String::from_utf8_lossy(&bytes));
        serde_json::from_slice(&bytes).expect("JSON")
    }
}

/// Two companies that are partners and share an event.
struct Market {
    runtime: Runtime,
    acme: Served,
    _bright: Served,
    /// What stands for which id.
    names: Vec<(&'static str, String)>,
    requests: usize,
}

impl Market {
    fn open() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (acme, bright, names) = runtime.block_on(async {
            let (acme, bright) = (Served::start("Acme").await, Served::start("Bright").await);
            let text = |json: &Json, key: &str| json[key].as_str().expect("a text").to_owned();
            let invite = acme.made("/api/v1/partners/invite", json!({})).await;
            let line = json!({ "invite": text(&invite, "invite") });
            bright.made("/api/v1/partners/accept", line).await;
            let title =
                json!({ "text": { "title": "Launch", "starts_at": "2027-03-01T09:00:00+08:00" } });
            let event = text(&acme.made("/api/v1/events", title).await, "id");
            let name = json!({ "text": { "name": "Lin", "emails": "lin@example.com" } });
            let customer = text(&acme.made("/api/v1/customers", name).await, "id");
            let share = json!({ "name": "launch", "event": event });
            let share = text(&acme.made("/api/v1/shares", share).await, "id");
            let names = vec![("$event", event), ("$customer", customer), ("$share", share)];
            (acme, bright, names)
        });
        Self { runtime, acme, _bright: bright, names, requests: 0 }
    }

    fn ask(&mut self, data: &[u8]) {
        self.requests += 1;
        let mut text = String::from_utf8_lossy(data).into_owned();
        for (name, id) in &self.names {
            text = text.replace(name, id);
        }
        let (head, body) = text.split_once('\n').unwrap_or((&text, ""));
        let (method, path) = head.split_once(' ').unwrap_or(("GET", head));
        let Ok(method) = method.parse::<Method>() else { return };
        let path = format!("/api/v1/{path}");
        let answer = self.acme.ask(method, &path, body.as_bytes().to_vec());
        // Whoever waits for a partner that does not come is left waiting.
        let Ok(Some((status, bytes))) =
            self.runtime.block_on(async { tokio::time::timeout(PATIENCE, answer).await })
        else {
            return;
        };
        let said = String::from_utf8_lossy(&bytes);
        assert!(status != StatusCode::INTERNAL_SERVER_ERROR, "{head}: {said}");
        assert!(status != StatusCode::SERVICE_UNAVAILABLE, "{head}: {said}");
        if status.is_client_error() {
            let problem: Json = serde_json::from_slice(&bytes).expect("a problem is JSON");
            assert!(problem["code"].is_string() && problem["detail"].is_string(), "{said}");
        }
    }
}

thread_local! {
    static MARKET: RefCell<Option<Market>> = const { RefCell::new(None) };
}

/// A request to the API: the method and the path below its root in the first line, then the body.
/// Whatever it is, the answer is no fault, and an error has a code.
pub fn api(data: &[u8]) {
    MARKET.with_borrow_mut(|open| {
        if open.as_ref().is_some_and(|market| market.requests >= REQUESTS_MAX) {
            *open = None;
        }
        open.get_or_insert_with(Market::open).ask(data);
    });
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    type Target = fn(&[u8]);

    fn corpus(target: &str) -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
        root.join("fuzz/corpus").join(target)
    }

    #[test]
    fn every_seed_of_the_fuzzers_keeps_what_its_target_promises() {
        let targets: [(&str, Target); 3] =
            [("csv", super::csv), ("wire", super::wire), ("api", super::api)];
        for (name, target) in targets {
            let entries = std::fs::read_dir(corpus(name)).expect("a corpus");
            let mut seeds: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
            seeds.sort();
            assert!((3..200).contains(&seeds.len()), "{name}: {}", seeds.len());
            for path in seeds {
                println!("{}", path.display());
                target(&std::fs::read(&path).expect("a seed"));
            }
        }
    }
}
