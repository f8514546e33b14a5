//! The first page: this company, its events and those it takes part in, and its partners.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::http::HeaderMap;
use entente_protocol::id::{OrgId, ShareId};
use entente_protocol::partner::{PartnerState, PartnerView};
use entente_protocol::time::Millis;
use entente_protocol::view::{ListQuery, RecordView};
use entente_protocol::vocabulary::Kind;
use maud::{Markup, html};

use super::PageFailure;
use super::event::{title, whose};
use super::moment::Zone;
use super::roster::status_mark;
use super::shell::{Frame, Shell};
use super::value::{self, OrgNames};
use super::waiting::{self, Tasks};
use super::words::{Lang, Words};
use crate::http::App;
use crate::service::{Answer, CHUNK, Replica};

/// Who takes part in what, counted a chunk at a time so that nobody else has to wait.
#[derive(Debug, Default)]
struct Heads {
    counts: BTreeMap<(Option<ShareId>, String), usize>,
    after: Option<Vec<u8>>,
}

impl Heads {
    /// Counts the next ones; false when there are none left.
    fn step(&mut self, replica: &Replica) -> Answer<bool> {
        let after = self.after.take();
        let query = ListQuery { after, limit: CHUNK, ..ListQuery::of(Kind::Participation) };
        let page = replica.list(&query)?;
        for view in &page.records {
            if let Some(event) = value::text(view, "event") {
                *self.counts.entry((view.share, event.to_owned())).or_default() += 1;
            }
        }
        self.after = page.next;
        Ok(self.after.is_some())
    }

    /// How many are known under any of an event's names; a name outside any share is own.
    fn of(&self, names: &BTreeSet<(Option<ShareId>, String)>) -> usize {
        let counts = self.counts.iter().filter(|((share, event), _)| {
            let name = (*share, event.clone());
            names.contains(&name) || names.contains(&(None, name.1))
        });
        counts.map(|(_, count)| count).sum()
    }
}

/// One event in the list.
struct Line {
    view: RecordView,
    section: String,
    organiser: String,
    share: Option<String>,
    people: usize,
}

impl Line {
    fn starts_at(&self) -> Option<i64> {
        value::instant(&self.view, "starts_at")
    }

    fn ends_at(&self) -> Option<i64> {
        value::instant(&self.view, "ends_at").or(self.starts_at())
    }
}

/// A partner in the list.
struct Beside {
    view: PartnerView,
    through: Option<String>,
}

/// Everything the page shows.
struct Home {
    company: String,
    now: Millis,
    events: Vec<Line>,
    partners: Vec<Beside>,
    tasks: Tasks,
}

/// The first page.
pub async fn show(State(app): State<App>, headers: HeaderMap) -> Result<Markup, PageFailure> {
    let lang = Lang::wanted(&headers);
    let home = home(&app, lang).await;
    let home = home.map_err(|problem| PageFailure { lang, failure: problem.into() })?;
    Ok(page_of(&home, lang.words()))
}

async fn home(app: &App, lang: Lang) -> Answer<Home> {
    let mut heads = Heads::default();
    loop {
        let more;
        (heads, more) = app
            .engine
            .call(move |replica| {
                let more = heads.step(replica)?;
                Answer::Ok((heads, more))
            })
            .await?;
        if !more {
            break;
        }
    }
    app.engine.call(move |replica| read(replica, &heads, lang)).await
}

fn read(replica: &Replica, heads: &Heads, lang: Lang) -> Answer<Home> {
    let name = |org: &OrgId| replica.directory().name(org).to_owned();
    let mut events = Vec::new();
    for view in replica.list(&ListQuery::of(Kind::Event))?.records {
        let share = replica.share_of_event(&view.at)?;
        let mut orgs = OrgNames::default();
        orgs.add(replica, &view);
        let section = name(&view.section);
        events.push(Line {
            organiser: value::text(&view, "organiser")
                .map_or_else(|| section.clone(), |org| orgs.name(org).to_owned()),
            section,
            share: share.and_then(|share| replica.share_name(&share).map(str::to_owned)),
            people: heads.of(&replica.names_of(&view.at)?),
            view,
        });
    }
    let partners = replica
        .partner_list()
        .into_iter()
        .map(|view| Beside { through: view.met_through.first().map(name), view });
    Ok(Home {
        company: replica.me().name.clone(),
        now: replica.now(),
        partners: partners.collect(),
        tasks: waiting::tasks(replica, lang)?,
        events,
    })
}

fn page_of(home: &Home, words: &'static Words) -> Markup {
    let shell = Shell {
        words,
        frame: Frame::Org { name: &home.company, back: false },
        title: &home.company,
    };
    shell.page(html! {
        h1.company { bdi { (home.company) } }
        (waiting::waiting(&home.tasks, words))
        div.columns {
            section.events aria-labelledby="events" {
                h2 #events { (words.events) }
                (events(home, words))
            }
            section.partners aria-labelledby="partners" {
                h2 #partners { (words.partners) }
                (partners(home, words))
                (waiting::deletions(&home.tasks, words))
            }
        }
    })
}

/// What comes next stands first; what is over stands last.
fn events(home: &Home, words: &'static Words) -> Markup {
    let now = i64::try_from(home.now).unwrap_or(i64::MAX);
    let undated: Vec<&Line> = home.events.iter().filter(|e| e.starts_at().is_none()).collect();
    let dated = || home.events.iter().filter(|e| e.starts_at().is_some());
    let mut coming: Vec<&Line> = dated().filter(|e| e.ends_at() >= Some(now)).collect();
    let mut past: Vec<&Line> = dated().filter(|e| e.ends_at() < Some(now)).collect();
    coming.sort_by_key(|event| event.starts_at());
    past.sort_by_key(|event| std::cmp::Reverse(event.starts_at()));
    let parts = [(words.upcoming, coming), (words.undated, undated), (words.past, past)];
    html! {
        @if home.events.is_empty() {
            p { (words.no_events) " " (words.no_events_hint) }
            pre { code { "entente event create title=\"Spring launch\"" } }
        }
        @for (heading, lines) in parts.iter().filter(|(_, lines)| !lines.is_empty()) {
            h3 { (heading) }
            ul.cards { @for line in lines { li { (card(line, words)) } } }
        }
    }
}

fn card(line: &Line, words: &'static Words) -> Markup {
    let view = &line.view;
    let zone = Zone::named(value::text(view, "timezone"));
    let start = line.starts_at();
    let leaf = start.and_then(|start| zone.leaf(start, words.lang));
    html! {
        article.card {
            div.leaf aria-hidden="true" {
                @match &leaf {
                    Some((day, month)) => { span.day { (day) } span.month { (month) } },
                    None => span.day { "–" },
                }
            }
            div.about {
                h4 { a href={ "/events/" (view.at.text()) } { (title(words, view)) } }
                p.when {
                    @if let Some(start) = start {
                        @let end = value::instant(view, "ends_at");
                        time datetime=(zone.machine(start)) { (zone.span(start, end, words.lang)) }
                        " " span.quiet { (zone.name()) }
                    }
                    @if let Some(venue) = value::text(view, "venue") {
                        span.venue { bdi { (venue) } }
                    }
                }
                p.quiet {
                    (words.organised_by) " " bdi { (line.organiser) }
                    @if let Some(share) = &line.share {
                        span.sep { (words.shared_as) " " bdi { (share) } }
                    } @else {
                        span.sep { (words.not_in_a_share) }
                    }
                }
                p.marks {
                    (whose(words, view, &line.section))
                    @if let Some(status) = value::text(view, "status") {
                        (status_mark(words, status))
                    }
                    span.count { (words.lang.people(line.people)) }
                }
            }
        }
    }
}

fn partners(home: &Home, words: &Words) -> Markup {
    html! {
        @if home.partners.is_empty() {
            p { (words.no_partners) " " (words.no_partners_hint) }
            pre { code { "entente partner invite" } }
        }
        ul.beside {
            @for partner in &home.partners {
                li {
                    p.name { bdi { (partner.view.name) } }
                    p { (connection(words, &partner.view)) }
                    p.quiet {
                        @match partner.view.last_sync {
                            Some(at) => {
                                (words.in_step) " "
                                (words.lang.ago(home.now.saturating_sub(at) / 1000))
                            },
                            None => (words.never_in_step),
                        }
                        @if partner.view.unsent > 0 {
                            span.sep { (partner.view.unsent) " " (words.unsent) }
                        }
                        @if let Some(through) = &partner.through {
                            span.sep { (words.met_through) " " bdi { (through) } }
                        }
                        @if partner.view.partner.paired && !partner.view.partner.confirmed {
                            span.sep { (words.unconfirmed) }
                        }
                    }
                }
            }
        }
    }
}

fn connection(words: &Words, partner: &PartnerView) -> Markup {
    let (class, text) = match (partner.partner.state, partner.connected) {
        (PartnerState::Paused, _) => ("gone", words.paused),
        (PartnerState::Removed, _) => ("gone", words.removed),
        (PartnerState::Pending, _) => ("under-way", words.pending),
        (PartnerState::Paired | PartnerState::Introduced, true) => ("good", words.connected),
        (PartnerState::Paired | PartnerState::Introduced, false) => ("calm", words.offline),
    };
    html! { span.status.(class) { (text) } }
}
