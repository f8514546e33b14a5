//! The pages that people open in a browser: read only, made whole on the server, no scripts.

pub mod door;
pub mod event;
pub mod home;
mod moment;
pub(crate) mod report;
mod roster;
mod shell;
mod value;
mod waiting;
pub(crate) mod words;

#[cfg(test)]
mod tests;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::html;

use crate::api::problem::ErrorKind;
use crate::http::problem::Failure;
use shell::{Frame, Shell};
use words::Lang;

pub use shell::STYLE_PATH;

const STYLE: &str = include_str!("pages/assets/style.css");

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The look of all pages.
pub async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

/// What a page may load (nothing but its style) and who may frame it (nobody).
pub async fn walled(mut response: Response) -> Response {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A page that could not be shown, said in the language of who asked.
#[derive(Debug)]
pub struct PageFailure {
    lang: Lang,
    failure: Failure,
}

impl IntoResponse for PageFailure {
    fn into_response(self) -> Response {
        let words = self.lang.words();
        let body = self.failure.body();
        let missing = body.kind == ErrorKind::Missing;
        let title = if missing { words.missing_title } else { words.failed_title };
        if body.kind == ErrorKind::Fault {
            tracing::error!(code = body.code, "a page failed");
        }
        let shell = Shell { words, frame: Frame::Org { name: "Entente", back: true }, title };
        let page = shell.page(html! {
            section.notice {
                h1 { (title) }
                @if missing { p { (words.missing_text) } } @else { p { (body.detail) } }
                @if let Some(hint) = &body.hint { @if !missing { p.quiet { (hint) } } }
            }
        });
        let status = StatusCode::from_u16(body.status);
        (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), page).into_response()
    }
}
