//! The API from outside: requests against the whole router.

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode, header};
use serde_json::{Value as Json, json};
use tower::ServiceExt;

use super::*;
use crate::api::PROGRESS_TYPE;

pub(crate) const TOKEN: &str = "a token";

/// A router over a real engine, store and network in a directory of its own, gone with it.
pub(crate) struct Served {
    router: Router,
    path: std::path::PathBuf,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

impl std::ops::Deref for Served {
    type Target = Router;
    fn deref(&self) -> &Router {
        &self.router
    }
}

pub(crate) async fn app() -> Served {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = format!("entente-http-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let directory = crate::directory::Directory::at(&path);
    crate::start::init(&directory, "Acme").unwrap();
    let listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
    let flags = crate::config::Flags { listen, ..Default::default() };
    let config = crate::config::Config::read(&path, &flags, &|_| None).unwrap();
    let prepared = crate::start::Prepared::open(&directory, &config).await.unwrap();
    let (engine, ..) = prepared.start().unwrap();
    let settings = HttpSettings {
        presets: "presets".into(),
        token: Token::new(TOKEN.into()),
        address: "127.0.0.1:1".parse().unwrap(),
        behind_proxy: false,
        directory,
    };
    Served { router: router(App { engine, settings: settings.into() }), path }
}

pub(crate) async fn send(app: &Router, request: Request<Body>) -> Response<Body> {
    app.clone().oneshot(request).await.unwrap()
}

fn request(method: Method, path: &str, body: Json) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

pub(crate) async fn ask(
    app: &Served,
    method: Method,
    path: &str,
    body: Json,
) -> (StatusCode, Json) {
    let response = send(app, request(method, path, body)).await;
    let status = response.status();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

async fn event(app: &Served, title: &str) -> String {
    let values = json!({"text": {"title": title}});
    let (status, made) = ask(app, Method::POST, "/api/v1/events", values).await;
    assert_eq!(status, StatusCode::CREATED);
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn only_the_token_and_an_own_name_open_the_door() {
    let app = app().await;
    let plain = |host: &str, token: Option<&str>, path: &str| {
        let mut request = Request::builder().uri(path).header(header::HOST, host);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, token);
        }
        request.body(Body::empty()).unwrap()
    };
    for (host, token, path, status) in [
        ("localhost", Some("Bearer a token"), "/api/v1/status", 200),
        ("localhost", Some("bearer a token"), "/api/v1/status", 200),
        ("localhost", Some("Bearer a tokem"), "/api/v1/status", 401),
        ("localhost", Some("Basic a token"), "/api/v1/status", 401),
        ("localhost", None, "/api/v1/status", 401),
        ("evil.example", Some("Bearer a token"), "/api/v1/status", 401),
        ("evil.example", None, "/healthz", 401),
        ("localhost", None, "/healthz", 200),
        ("localhost", None, "/readyz", 200),
        ("localhost", None, "/api/v1/openapi.json", 200),
        ("localhost", Some("Bearer a token"), "/api/v1/nothing", 404),
        ("localhost", Some("Bearer a token"), "/api/v1/a/b/c/d", 404),
    ] {
        let response = send(&app, plain(host, token, path)).await;
        assert_eq!(response.status().as_u16(), status, "{host} {token:?} {path}");
        if status >= 400 {
            let kind = &response.headers()[header::CONTENT_TYPE];
            assert_eq!(kind, "application/problem+json", "{host} {token:?} {path}");
        }
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    }
}

#[tokio::test]
async fn a_record_is_made_changed_and_deleted_and_a_stale_change_is_refused() {
    let app = app().await;
    let id = event(&app, "Spring").await;
    assert!(id.starts_with("evt_"));
    let path = format!("/api/v1/events/{}", &id[..12]);
    let response = send(&app, request(Method::GET, &path, Json::Null)).await;
    let tag = response.headers()[header::ETAG].clone();

    let patch = |tag: &str| {
        let values = json!({"fields": {"capacity": 40, "title": null}});
        let mut request = request(Method::PATCH, &path, values);
        request.headers_mut().insert(header::IF_MATCH, tag.parse().unwrap());
        request
    };
    let response = send(&app, patch(tag.to_str().unwrap())).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_ne!(response.headers()[header::ETAG], tag);
    let response = send(&app, patch(tag.to_str().unwrap())).await;
    assert_eq!(response.status(), StatusCode::PRECONDITION_FAILED);

    let (_, record) = ask(&app, Method::GET, &path, Json::Null).await;
    assert_eq!(record["fields"], json!({"capacity": 40}));
    assert_eq!(record["share"], Json::Null);
    assert_eq!(record["section"]["name"], "Acme");
    assert_eq!(ask(&app, Method::DELETE, &path, Json::Null).await.0, StatusCode::OK);
    let (status, problem) = ask(&app, Method::GET, &path, Json::Null).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
}

#[tokio::test]
async fn an_unknown_field_is_answered_with_the_nearest_one() {
    let values = json!({"text": {"titel": "Spring"}});
    let (status, problem) = ask(&app().await, Method::POST, "/api/v1/events", values).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(problem["code"], "unknown_field");
    assert_eq!(problem["kind"], "usage");
    assert!(problem["detail"].as_str().unwrap().contains("`title`"), "{problem}");
}

#[tokio::test]
async fn a_list_is_read_page_by_page_by_following_its_links() {
    let app = app().await;
    for n in 0..5 {
        event(&app, &format!("{n}")).await;
    }
    let mut path = "/api/v1/events?limit=2&from=own".to_owned();
    let mut seen = Vec::new();
    loop {
        let response = send(&app, request(Method::GET, &path, Json::Null)).await;
        let link = response.headers().get(header::LINK).map(|v| v.to_str().unwrap().to_owned());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let page: Vec<Json> = serde_json::from_slice(&bytes).unwrap();
        assert!(page.len() <= 2);
        seen.extend(page.into_iter().map(|record| record["id"].to_string()));
        let Some(link) = link else { break };
        let (uri, rel) = link.split_once("; ").unwrap();
        assert_eq!(rel, "rel=\"next\"");
        path = uri.trim_matches(['<', '>']).to_owned();
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
    let (_, all) = ask(&app, Method::GET, "/api/v1/events?where=title%3D3", Json::Null).await;
    assert_eq!(all.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn only_an_import_may_be_long_and_it_tells_how_far_it_has_come() {
    let app = app().await;
    let mut file = "name,emails,remark\n".to_owned();
    for n in 0..600 {
        file += &format!("Customer {n},c{n}@example.com,{}\n", "x".repeat(2000));
    }
    assert!(file.len() > BODY_MAX_BYTES);
    let import = |path: &str, accept: &str| {
        let mut request = request(Method::POST, path, Json::Null);
        request.headers_mut().insert(header::ACCEPT, accept.parse().unwrap());
        *request.body_mut() = Body::from(file.clone());
        request
    };
    let response = send(&app, import("/api/v1/events", "*/*")).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let response = send(&app, import("/api/v1/customers/import", PROGRESS_TYPE)).await;
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let lines: Vec<Json> = std::str::from_utf8(&bytes)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0], json!({"progress": {"done": 256, "total": 600}}));
    assert_eq!(lines.last().unwrap()["result"]["created"], 600);

    let response = send(&app, import("/api/v1/customers/import", "*/*")).await;
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let again: Json = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((&again["created"], &again["unchanged"]), (&json!(0), &json!(600)));
}

#[tokio::test]
async fn a_path_that_is_no_text_is_a_problem_like_any_other() {
    let app = app().await;
    let (status, problem) = ask(&app, Method::GET, "/api/v1/events/%de", Json::Null).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("unreadable")));
}

#[tokio::test]
async fn what_is_not_there_yet_says_so() {
    let app = app().await;
    let path = "/api/v1/customers/import?mapping=ours";
    let (status, problem) = ask(&app, Method::POST, path, Json::Null).await;
    assert_eq!(status, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(problem["code"], "not_built_yet");
}

/// `UPDATE=1` writes the file anew.
#[test]
fn the_description_of_the_api_in_the_docs_is_the_one_the_node_serves() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let now = openapi::openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let then = std::fs::read_to_string(path).unwrap_or_default();
    assert!(then == now, "docs/openapi.json is stale: run the tests with UPDATE=1");
}
