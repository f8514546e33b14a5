//! Who may see the pages: a browser that once came with the token. The link carries the token
//! one time; what the browser keeps instead opens the pages and nothing else.

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use maud::html;
use serde::Deserialize;

use super::shell::{Frame, Shell};
use super::words::{LANGUAGE_COOKIE, Lang};
use crate::http::App;
use crate::http::access::{self, Token};

const SESSION_CONTEXT: &str = "entente 2026-11 page session";
const NAME_CONTEXT: &str = "entente 2026-11 name of the page session";
const LANGUAGE_LASTS_S: u64 = 365 * 24 * 3600;

/// What a link to a page may carry beside the page.
#[derive(Debug, Default, Deserialize)]
struct Carried {
    token: Option<String>,
    lang: Option<String>,
}

/// Lets in who has the session or the token. A token or a choice of language in the address is
/// turned into a cookie, and the browser sent to the same page without it.
pub async fn with_session(State(app): State<App>, request: Request, next: Next) -> Response {
    let carried = Query::<Carried>::try_from_uri(request.uri()).map(|Query(carried)| carried);
    let carried = carried.unwrap_or_default();
    let token = &app.settings.token;
    let mut cookies = Vec::new();
    match &carried.token {
        Some(given) if token.is(given) => cookies.push(session_cookie(&app)),
        Some(_) => return locked(request.headers()),
        None if is_let_in(token, request.headers()) => {}
        None => return locked(request.headers()),
    }
    if let Some(lang) = carried.lang.as_deref().and_then(Lang::from_tag) {
        let tag = lang.words().tag;
        cookies.push(format!(
            "{LANGUAGE_COOKIE}={tag}; Path=/; Max-Age={LANGUAGE_LASTS_S}; HttpOnly; SameSite=Strict"
        ));
    }
    if cookies.is_empty() {
        return next.run(request).await;
    }
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(place) = HeaderValue::from_str(request.uri().path()) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    for cookie in cookies {
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

fn is_let_in(token: &Token, headers: &HeaderMap) -> bool {
    let session = cookie(headers, &session_name(token));
    session.is_some_and(|given| Token::new(session_value(token)).is(given))
        || access::bearer(headers).is_some_and(|given| token.is(given))
}

/// What a browser shows instead of the token: good for the pages, of no use at the API.
fn session_value(token: &Token) -> String {
    let key = blake3::derive_key(SESSION_CONTEXT, token.reveal().as_bytes());
    BASE64URL_NOPAD.encode(&key)
}

/// Cookies know no ports: nodes of one machine need names of their own for theirs.
pub(super) fn session_name(token: &Token) -> String {
    let key = blake3::derive_key(NAME_CONTEXT, token.reveal().as_bytes());
    format!("entente_{}", HEXLOWER.encode(&key[..6]))
}

fn session_cookie(app: &App) -> String {
    let token = &app.settings.token;
    let (name, value) = (session_name(token), session_value(token));
    // The proxy in front speaks TLS; without one the node answers on loopback only.
    let secure = if app.settings.behind_proxy { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

/// The value of a cookie of a request.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|text| text.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

fn locked(headers: &HeaderMap) -> Response {
    let words = Lang::wanted(headers).words();
    let shell = Shell { words, frame: Frame::Stranger, title: words.locked_title };
    let page = shell.page(html! {
        section.notice {
            h1 { (super::shell::padlock()) " " (words.locked_title) }
            p { (words.locked_text) }
            pre { code { "entente open" } }
            p.quiet { a href="/" { (words.locked_again) } }
        }
    });
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (StatusCode::UNAUTHORIZED, challenge, page).into_response()
}
