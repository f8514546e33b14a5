//! What every page has around its content: head, header, footer, and the small marks.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::words::Words;

/// The address of the style sheet.
pub const STYLE_PATH: &str = "/assets/style.css";

const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='8' fill='%230f5c56'/%3E%3Cg fill='none' stroke='%23fff' stroke-width='3'%3E%3Ccircle cx='12.5' cy='16' r='6'/%3E%3Ccircle cx='19.5' cy='16' r='6'/%3E%3C/g%3E%3C/svg%3E";

const MARK: &str = r#"<svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true"><rect width="32" height="32" rx="8"/><g fill="none" stroke-width="3"><circle cx="12.5" cy="16" r="6"/><circle cx="19.5" cy="16" r="6"/></g></svg>"#;

const SYMBOLS: &str = r##"<svg width="0" height="0" class="symbols" aria-hidden="true"><symbol id="lock" viewBox="0 0 16 16"><rect x="3" y="7" width="10" height="7" rx="1.6"/><path d="M5.2 7V5a2.8 2.8 0 0 1 5.6 0v2" fill="none" stroke="currentColor" stroke-width="1.5"/></symbol></svg>"##;

/// Around whose content it is.
#[derive(Debug, Clone, Copy)]
pub enum Frame<'a> {
    /// Somebody who was let in: the company's name and the ways to other pages.
    Org {
        /// The company.
        name: &'a str,
        /// Whether there is a way back to all events.
        back: bool,
    },
    /// Somebody who was not; learns nothing of whose node it is.
    Stranger,
}

/// A page without its content.
#[derive(Debug, Clone, Copy)]
pub struct Shell<'a> {
    /// Its language.
    pub words: &'static Words,
    /// Around whose content.
    pub frame: Frame<'a>,
    /// What the browser calls it.
    pub title: &'a str,
}

impl Shell<'_> {
    /// The whole document.
    pub fn page(&self, content: Markup) -> Markup {
        let words = self.words;
        html! {
            (DOCTYPE)
            html lang=(words.tag) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="robots" content="noindex";
                    title { (self.title) " · Entente" }
                    link rel="icon" href=(ICON);
                    link rel="stylesheet" href=(STYLE_PATH);
                }
                body {
                    (PreEscaped(SYMBOLS))
                    a.skip href="#content" { (words.skip) }
                    header.top {
                        (self.head())
                        @if let Frame::Org { .. } = self.frame {
                            a.lang href={ "?lang=" (words.other_tag) } lang=(words.other_tag)
                                hreflang=(words.other_tag) { (words.other_name) }
                        }
                    }
                    main #content { (content) }
                    footer.bottom {
                        @if let Frame::Org { .. } = self.frame { p { (words.read_only) } }
                        p { "Entente · " (words.tagline) }
                    }
                }
            }
        }
    }

    fn head(&self) -> Markup {
        html! {
            @match self.frame {
                Frame::Org { name, back } => {
                    a.brand href="/" { (PreEscaped(MARK)) bdi { (name) } }
                    @if back { nav { a href="/" { "← " (self.words.all_events) } } }
                }
                Frame::Stranger => { span.brand { (PreEscaped(MARK)) "Entente" } }
            }
        }
    }
}

/// A padlock that says nothing to a screen reader; words stand beside it.
pub fn padlock() -> Markup {
    html! { svg.lock aria-hidden="true" width="14" height="14" { use href="#lock" {} } }
}

/// A field that is not shared with this org.
pub fn withheld(words: &Words) -> Markup {
    html! { span.withheld { (padlock()) span.said { (words.not_shared) } } }
}

/// A field in which nothing was entered.
pub fn empty(words: &Words) -> Markup {
    html! { span.empty { span.dash aria-hidden="true" { "—" } span.said { (words.nothing_entered) } } }
}
