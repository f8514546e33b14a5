//! The pages from outside: requests against the whole router.

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode, header};
use serde_json::json;

use crate::http::tests::{Served, TOKEN, app, ask, send};

const TOKEN_QUERY: &str = "token=a%20token";

async fn get(app: &Served, path: &str, headers: &[(header::HeaderName, &str)]) -> Response<Body> {
    let mut request = Request::builder().uri(path).header(header::HOST, "localhost");
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    send(app, request.body(Body::empty()).unwrap()).await
}

async fn text(response: Response<Body>) -> String {
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The page as somebody with the token sees it.
async fn page(app: &Served, path: &str, language: &str) -> (StatusCode, String) {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [(header::AUTHORIZATION, &*bearer), (header::ACCEPT_LANGUAGE, language)];
    let response = get(app, path, &headers).await;
    (response.status(), text(response).await)
}

async fn made(app: &Served, path: &str, values: serde_json::Value) -> serde_json::Value {
    let (status, made) = ask(app, Method::POST, path, values).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made
}

#[tokio::test]
async fn the_link_is_exchanged_for_a_cookie_that_opens_the_pages_and_not_the_api() {
    let app = app().await;
    let response = get(&app, &format!("/?{TOKEN_QUERY}"), &[]).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()[header::LOCATION], "/");
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Strict");
    assert!(!cookie.contains("a token") && !cookie.contains("a%20token"));

    let response = get(&app, "/", &[(header::COOKIE, pair)]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(text(response).await.contains("Acme"));
    let value = pair.split_once('=').unwrap().1;
    let bearer = format!("Bearer {value}");
    for headers in [(header::COOKIE, pair), (header::AUTHORIZATION, &*bearer)] {
        let response = get(&app, "/api/v1/status", &[headers]).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
    let place = "/events/evt_x?page=2&token=a%20token";
    let response = get(&app, place, &[]).await;
    assert_eq!(response.headers()[header::LOCATION], "/events/evt_x");
}

#[tokio::test]
async fn two_nodes_of_one_machine_do_not_share_a_session() {
    let name =
        |token: &str| super::door::session_name(&crate::http::access::Token::new(token.to_owned()));
    assert_ne!(name("one"), name("other"));
}

#[tokio::test]
async fn a_stranger_is_told_how_to_open_the_page_and_nothing_else() {
    let app = app().await;
    let wrong = "Bearer a tokem";
    for (path, headers) in [
        ("/", vec![]),
        ("/events/evt_x", vec![]),
        ("/?token=wrong", vec![]),
        ("/?token=", vec![]),
        ("/?lang=zh", vec![]),
        ("/", vec![(header::AUTHORIZATION, wrong)]),
        ("/", vec![(header::COOKIE, "entente_=x; session=a token")]),
    ] {
        let response = get(&app, path, &headers).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert!(!response.headers().contains_key(header::SET_COOKIE), "{path}");
        let page = text(response).await;
        assert!(page.contains("entente open"), "{path}");
        assert!(!page.contains("Acme") && !page.contains("wrong"), "{path}");
    }
    let zh = [(header::ACCEPT_LANGUAGE, "zh-CN")];
    let page = text(get(&app, "/", &zh).await).await;
    assert!(page.contains("<html lang=\"zh-CN\">") && page.contains("此页面已锁定"));
}

#[tokio::test]
async fn every_page_is_walled_in_and_kept_by_nobody() {
    let app = app().await;
    let bearer = format!("Bearer {TOKEN}");
    for path in ["/", "/events/evt_x", "/?token=wrong", "/assets/style.css"] {
        let response = get(&app, path, &[(header::AUTHORIZATION, &bearer)]).await;
        let of = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let policy = of("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; img-src 'self' data:"));
        assert!(!policy.contains("script") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(of("x-content-type-options"), "nosniff");
        assert_eq!(of("referrer-policy"), "no-referrer");
        assert_eq!(of("cache-control"), "no-store");
        assert_eq!(of("x-frame-options"), "DENY");
    }
    let foreign = Request::builder().uri("/?token=a%20token").header(header::HOST, "evil.example");
    let response = send(&app, foreign.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(!response.headers().contains_key(header::SET_COOKIE));
}

#[tokio::test]
async fn a_hostile_title_is_text_wherever_it_stands() {
    let app = app().await;
    let title = "\"><script>alert(1)</script>&'<img src=x onerror=alert(1)>";
    let event = made(&app, "/api/v1/events", json!({"text": {"title": title}})).await;
    let id = event["id"].as_str().unwrap();
    for path in ["/".to_owned(), format!("/events/{id}")] {
        let (status, page) = page(&app, &path, "en").await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{path}");
        assert!(!page.contains("<script") && !page.contains("<img"), "{path}");
        assert!(!page.contains("style=\"") && !page.contains(" onclick"), "{path}");
    }
}

#[tokio::test]
async fn an_event_is_shown_in_its_own_time_zone_and_the_readers_language() {
    let app = app().await;
    let values = json!({"text": {"title": "极光E9发布会", "kind": "launch", "status": "planned",
        "starts_at": "2027-03-18T10:00:00+08:00", "ends_at": "2027-03-18T21:30:00+08:00",
        "timezone": "Asia/Shanghai", "venue": "滨江馆", "budget": "680000.00 CNY",
        "registration_url": "https://aurora.example/e9"}});
    let event = made(&app, "/api/v1/events", values).await;
    let path = format!("/events/{}", event["id"].as_str().unwrap());
    let staff = json!({"staff": ["Nora Lindgren"]});
    made(&app, &format!("/api/v1{path}/participations"), staff).await;
    for (language, expected) in [
        (
            "en",
            [
                "<html lang=\"en\">",
                "Thu 18 Mar 2027, 10:00–21:30",
                "2027-03-18T10:00:00+08:00",
                "Asia/Shanghai",
                "Planned",
                "nothing entered",
                "stays with you, cannot be shared",
                "680000.00 CNY",
                "1 participant",
                "Nora Lindgren",
                "<th scope=\"col\"",
            ],
        ),
        (
            "zh-CN,zh;q=0.9",
            [
                "<html lang=\"zh-CN\">",
                "2027年3月18日 周四 10:00–21:30",
                "2027-03-18T10:00:00+08:00",
                "Asia/Shanghai",
                "筹备中",
                "未填写",
                "仅供本公司，不可共享",
                "680000.00 CNY",
                "1 位参与者",
                "Nora Lindgren",
                "<caption>全部参与者",
            ],
        ),
    ] {
        let (status, page) = page(&app, &path, language).await;
        assert_eq!(status, StatusCode::OK);
        for text in expected {
            assert!(page.contains(text), "{language}: {text}\n{page}");
        }
    }
    let (_, home) = page(&app, "/", "zh").await;
    for text in ["即将举行", "极光E9发布会", "1 位参与者", "未与任何人共享"] {
        assert!(home.contains(text), "{text}");
    }
}

#[tokio::test]
async fn a_reader_can_choose_the_other_language() {
    let app = app().await;
    let bearer = format!("Bearer {TOKEN}");
    let auth = (header::AUTHORIZATION, &*bearer);
    let response = get(&app, "/?lang=zh-CN", std::slice::from_ref(&auth)).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    let headers = [auth, (header::COOKIE, cookie.split(';').next().unwrap())];
    assert!(text(get(&app, "/", &headers).await).await.contains("合作伙伴"));
}

#[tokio::test]
async fn what_is_not_there_is_said_on_a_page() {
    let app = app().await;
    for path in ["/events/evt_nothing", "/events/nonsense", "/events/%3Cb%3E"] {
        let (status, page) = page(&app, path, "en").await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.contains("There is no such event here"), "{path}");
    }
    let (status, page) = page(&app, "/", "en").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("No events yet.") && page.contains("entente partner invite"));
}

#[tokio::test]
async fn five_hundred_people_are_one_page() {
    let app = app().await;
    let event = made(&app, "/api/v1/events", json!({"text": {"title": "Fair"}})).await;
    let path = format!("/events/{}", event["id"].as_str().unwrap());
    let staff: Vec<String> = (0..500).map(|n| format!("Helper {n:03}")).collect();
    made(&app, &format!("/api/v1{path}/participations"), json!({ "staff": staff })).await;
    let (status, page) = page(&app, &path, "en").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(page.matches("<th scope=\"row\"").count(), 500);
    assert!(page.contains("Helper 000") && page.contains("Helper 499"));
    assert!(page.contains("<strong>500</strong> from <bdi>Acme</bdi> (you)"));
    assert!(page.len() < 1 << 20, "{} bytes", page.len());
}
