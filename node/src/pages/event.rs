//! One event: its fields – each with its value, empty, internal or not shared – and its roster.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use entente_protocol::book::Address;
use entente_protocol::value::Value;
use entente_protocol::view::RecordView;
use entente_protocol::vocabulary::{self, CUSTOM_PREFIX, Class, Field, FieldType, Kind};
use maud::{Markup, html};
use serde::Deserialize;

use super::PageFailure;
use super::moment::Zone;
use super::roster::{self, Group};
use super::shell::{self, Frame, Shell};
use super::value::{self, Manner, OrgNames, State as FieldState};
use super::words::{Lang, Words};
use crate::http::App;
use crate::service::{Answer, Replica};

/// Fields that the heading shows when they have a value.
const HEADING: [&str; 3] = ["title", "kind", "status"];

/// The part of a long roster to show, from 1.
#[derive(Debug, Default, Deserialize)]
pub struct Part {
    page: Option<usize>,
}

/// Everything the page shows.
struct Event {
    company: String,
    view: RecordView,
    section: String,
    share: Option<String>,
    orgs: OrgNames,
    groups: Vec<Group>,
}

impl Event {
    /// Who runs it: as entered, else whose record it is.
    fn organiser(&self) -> &str {
        let entered = value::text(&self.view, "organiser");
        entered.map_or(&self.section, |org| self.orgs.name(org))
    }
}

/// The page of an event.
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Markup, PageFailure> {
    let lang = Lang::wanted(&headers);
    let read = app.engine.call(move |replica| read(replica, &id)).await;
    let event = read.map_err(|problem| PageFailure { lang, failure: problem.into() })?;
    let page = part.ok().and_then(|Query(part)| part.page).unwrap_or(1);
    Ok(page_of(&event, lang.words(), page))
}

fn read(replica: &Replica, id: &str) -> Answer<Event> {
    let at = replica.find_record(id, Some(Kind::Event))?;
    let view = replica.record(&at)?;
    let share = replica.share_of_event(&at)?;
    let mut orgs = OrgNames::default();
    orgs.add(replica, &view);
    Ok(Event {
        company: replica.me().name.clone(),
        section: replica.directory().name(&view.section).to_owned(),
        share: share.and_then(|share| replica.share_name(&share).map(str::to_owned)),
        orgs,
        groups: roster::groups(replica, replica.roster(&at)?),
        view,
    })
}

fn page_of(event: &Event, words: &'static Words, page: usize) -> Markup {
    let view = &event.view;
    let zone = Zone::named(value::text(view, "timezone"));
    let manner = Manner { words, zone: &zone, orgs: &event.orgs };
    let title = value::text(view, "title");
    let frame = Frame::Org { name: &event.company, back: true };
    let shell = Shell { words, frame, title: title.unwrap_or(words.untitled) };
    shell.page(html! {
        article.event {
            (heading(event, manner))
            (facts(event, manner))
            (roster::roster(manner, &event.groups, &view.at.text(), page))
        }
    })
}

/// The name of an event, or why there is none to be seen.
pub fn title(words: &Words, view: &RecordView) -> Markup {
    match value::state(view, "title") {
        FieldState::Withheld => {
            html! { span.untitled { (words.untitled) } " " (shell::withheld(words)) }
        }
        FieldState::Empty => html! { span.untitled { (words.untitled) } },
        FieldState::Value(value) => {
            html! { bdi { (vocabulary::to_text(Kind::Event, "title", value)) } }
        }
    }
}

fn heading(event: &Event, manner: Manner<'_>) -> Markup {
    let (view, words) = (&event.view, manner.words);
    let end = value::instant(view, "ends_at");
    html! {
        header.heading {
            p.marks {
                @if let Some(kind) = value::text(view, "kind") {
                    span.tag { bdi { (words.lang.term(kind)) } }
                }
                @if let Some(status) = value::text(view, "status") {
                    (roster::status_mark(words, status))
                }
                (whose(words, view, &event.section))
            }
            h1 { (title(words, view)) }
            p.when {
                @if let Some(start) = value::instant(view, "starts_at") {
                    time datetime=(manner.zone.machine(start)) {
                        (manner.zone.span(start, end, words.lang))
                    }
                    " " span.quiet { (manner.zone.name()) }
                }
                @if let Some(venue) = value::text(view, "venue") {
                    span.venue { bdi { (venue) } }
                }
            }
            p.quiet {
                (words.organised_by) " " bdi { (event.organiser()) }
                @match &event.share {
                    Some(name) => { span.sep { (words.shared_as) " " bdi { (name) } } },
                    None => { span.sep { (words.not_in_a_share) } },
                }
            }
        }
    }
}

/// Whether an event is this company's, or from whom it came.
pub fn whose(words: &Words, view: &RecordView, section: &str) -> Markup {
    match view.at {
        Address::Own { .. } => html! { span.tag.own { (words.your_event) } },
        Address::Received { .. } => {
            html! { span.tag.received { (words.from) " " bdi { (section) } } }
        }
    }
}

fn facts(event: &Event, manner: Manner<'_>) -> Markup {
    let (view, words) = (&event.view, manner.words);
    let own = matches!(view.at, Address::Own { .. });
    let in_heading = |name: &str| {
        HEADING.contains(&name) && matches!(value::state(view, name), FieldState::Value(_))
    };
    let custom = view.fields.keys().filter(|name| vocabulary::field(Kind::Event, name).is_none());
    html! {
        section.facts aria-labelledby="details" {
            h2 #details { (words.details) }
            dl {
                @for field in vocabulary::fields(Kind::Event) {
                    @if !in_heading(field.name) {
                        (fact(manner, view, field.name, words.lang.label(field), internal(own, field)))
                    }
                }
                @for name in custom {
                    (fact(manner, view, name, name.trim_start_matches(CUSTOM_PREFIX), false))
                }
            }
            (key(words, own))
        }
    }
}

fn internal(own: bool, field: &Field) -> bool {
    own && field.class == Class::S5
}

fn fact(manner: Manner<'_>, view: &RecordView, name: &str, label: &str, internal: bool) -> Markup {
    let words = manner.words;
    let state = value::state(view, name);
    let look = match (internal, state) {
        (true, _) => "internal",
        (false, FieldState::Value(_)) => "known",
        (false, FieldState::Empty) => "blank",
        (false, FieldState::Withheld) => "locked",
    };
    let long = matches!(state, FieldState::Value(Value::Text(_)));
    let is_text =
        matches!(vocabulary::field(Kind::Event, name).map(|f| f.ty), Some(FieldType::Text));
    html! {
        div.fact.(look).wide[long && is_text] {
            dt {
                bdi { (label) }
                @if internal { " " span.badge title=(words.internal_hint) { (words.internal) } }
                @if view.conflicts.iter().any(|field| field == name) {
                    " " span.badge.two { (words.two_values) }
                }
            }
            dd {
                @match state {
                    FieldState::Value(value) => (value::shown(manner, Kind::Event, name, value)),
                    FieldState::Empty => (shell::empty(words)),
                    FieldState::Withheld => (shell::withheld(words)),
                }
            }
        }
    }
}

/// The looks a field can have, once in a line.
fn key(words: &Words, own: bool) -> Markup {
    html! {
        p.key {
            span.quiet { (words.key) ":" } " "
            span.sample { (words.a_value) } " "
            span.sample { (shell::empty(words)) } " "
            @if own {
                span.sample { span.badge { (words.internal) } " " (words.internal_hint) }
            } @else {
                span.sample { (shell::withheld(words)) }
            }
        }
    }
}
