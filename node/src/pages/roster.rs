//! The roster of an event as a table: one group of rows per company that brought people, and a
//! padlock wherever a field is not shared.

use std::collections::BTreeMap;

use entente_protocol::id::OrgId;
use entente_protocol::roster::RosterRow;
use entente_protocol::view::RecordView;
use entente_protocol::vocabulary::{self, Class, Field, Kind};
use maud::{Markup, html};

use super::shell;
use super::value::{self, Manner, State};
use super::words::Words;
use crate::service::Replica;

/// How many rows one page shows.
pub const PAGE_ROWS: usize = 1000;
/// The person's fields, and whether they have a column even if nobody's is known.
const CUSTOMER_COLUMNS: [(&str, bool); 6] = [
    ("org_name", true),
    ("title", false),
    ("phones", true),
    ("emails", false),
    ("region", false),
    ("lifecycle", false),
];
/// The participation's fields, likewise.
const PARTICIPATION_COLUMNS: [(&str, bool); 4] =
    [("role", true), ("status", true), ("guests", false), ("fit_reason", false)];

/// Everyone whom one company brought along one way.
#[derive(Debug)]
pub struct Group {
    name: String,
    own: bool,
    /// The companies between, each with whether it is this one.
    via: Vec<(String, bool)>,
    rows: Vec<RosterRow>,
}

/// The rows by company: this one first, then those who brought most.
pub fn groups(replica: &Replica, rows: Vec<RosterRow>) -> Vec<Group> {
    let me = replica.me().org;
    let name = |org: &OrgId| replica.directory().name(org).to_owned();
    let mut by_way: BTreeMap<(OrgId, Vec<OrgId>), Vec<RosterRow>> = BTreeMap::new();
    for row in rows {
        by_way.entry((row.contributed_by, row.via.clone())).or_default().push(row);
    }
    let group = |((org, via), mut rows): ((OrgId, Vec<OrgId>), Vec<RosterRow>)| {
        rows.sort_by_cached_key(|row| {
            let name = name_of(row).map(str::to_lowercase);
            (staff_name(row).is_none(), name.is_none(), name)
        });
        let via = via.iter().map(|org| (name(org), *org == me)).collect();
        Group { name: name(&org), own: org == me, via, rows }
    };
    let mut groups: Vec<Group> = by_way.into_iter().map(group).collect();
    groups.sort_by_cached_key(|g| (!g.own, std::cmp::Reverse(g.rows.len()), g.name.clone()));
    groups
}

fn label_of_name(words: &Words) -> &'static str {
    vocabulary::field(Kind::Customer, "name").map_or("", |field| words.lang.label(field))
}

fn staff_name(row: &RosterRow) -> Option<&str> {
    value::text(&row.participation, "staff_name")
}

fn name_of(row: &RosterRow) -> Option<&str> {
    staff_name(row).or_else(|| value::text(row.customer.as_ref()?, "name"))
}

/// The roster with what is to be said above it; pages are counted from 1.
pub fn roster(manner: Manner<'_>, groups: &[Group], event: &str, page: usize) -> Markup {
    let words = manner.words;
    let count: usize = groups.iter().map(|group| group.rows.len()).sum();
    let page = page.saturating_sub(1).min(count.saturating_sub(1) / PAGE_ROWS);
    html! {
        section.roster aria-labelledby="roster" {
            h2 #roster { (words.roster) " " span.count { (words.lang.people(count)) } }
            @if count == 0 {
                p { (words.nobody) " " (words.nobody_hint) }
                pre { code { "entente participation add " (event) " CUSTOMER" } }
            } @else {
                (contributors(words, groups))
                (tally(words, groups))
                (table(manner, groups, page))
                (pager(words, count, page))
            }
        }
    }
}

fn contributors(words: &Words, groups: &[Group]) -> Markup {
    html! {
        ul.contributors aria-label=(words.who_brought_whom) {
            @for (n, group) in groups.iter().enumerate() {
                li {
                    a href={ "#group-" (n) } {
                        strong { (group.rows.len()) } " " (words.count_from) " " (who(words, group))
                    }
                }
            }
        }
    }
}

/// `Cedar Consulting · via Bright Agency`.
fn who(words: &Words, group: &Group) -> Markup {
    html! {
        bdi { (group.name) }
        @if group.own { " (" (words.you) ")" }
        @for (n, (name, own)) in group.via.iter().enumerate() {
            @if n == 0 { span.via { " · " (words.via) " " @if *own { (words.you) } @else { bdi { (name) } } } }
            @else { span.via { " → " @if *own { (words.you) } @else { bdi { (name) } } } }
        }
    }
}

/// How many have come how far.
fn tally(words: &Words, groups: &[Group]) -> Markup {
    let rows = groups.iter().flat_map(|group| &group.rows);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for status in rows.filter_map(|row| value::text(&row.participation, "status")) {
        *counts.entry(status).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(status, count)| (std::cmp::Reverse(*count), *status));
    html! {
        ul.tally aria-label=(words.status_tally) {
            @for (status, count) in counts {
                li { (status_mark(words, status)) " " (count) }
            }
        }
    }
}

/// A status as a word with a coloured mark; the word alone says it all.
pub fn status_mark(words: &Words, status: &str) -> Markup {
    let class = match status {
        "attended" | "checked_in" | "confirmed" => "good",
        "registered" | "invited" | "open" | "planned" => "under-way",
        "declined" | "cancelled" | "no_show" => "gone",
        _ => "calm",
    };
    html! { span.status.(class) { bdi { (words.lang.term(status)) } } }
}

struct Columns {
    customer: Vec<&'static Field>,
    participation: Vec<&'static Field>,
}

impl Columns {
    /// The columns that say something in one row at least.
    fn of(groups: &[Group]) -> Self {
        let rows = || groups.iter().flat_map(|group| &group.rows);
        let has = |view: &RecordView, name| matches!(value::state(view, name), State::Value(_));
        let customers = CUSTOMER_COLUMNS.iter().filter(|(name, always)| {
            *always || rows().filter_map(|row| row.customer.as_ref()).any(|of| has(of, name))
        });
        let participations = PARTICIPATION_COLUMNS
            .iter()
            .filter(|(name, always)| *always || rows().any(|row| has(&row.participation, name)));
        Self {
            customer: customers
                .filter_map(|(name, _)| vocabulary::field(Kind::Customer, name))
                .collect(),
            participation: participations
                .filter_map(|(name, _)| vocabulary::field(Kind::Participation, name))
                .collect(),
        }
    }

    fn count(&self) -> usize {
        1 + self.customer.len() + self.participation.len()
    }
}

fn table(manner: Manner<'_>, groups: &[Group], page: usize) -> Markup {
    let words = manner.words;
    let columns = Columns::of(groups);
    html! {
        table.people role="table" {
            caption { (words.roster_caption) }
            thead role="rowgroup" {
                tr role="row" {
                    th scope="col" role="columnheader" { (label_of_name(words)) }
                    @for field in columns.customer.iter().chain(&columns.participation) {
                        th scope="col" role="columnheader" { (words.lang.label(field)) }
                    }
                }
            }
            @for (n, group, rows) in on_page(groups, page) {
                @if !rows.is_empty() {
                    tbody #{ "group-" (n) } role="rowgroup" {
                        tr.group role="row" {
                            th scope="rowgroup" role="rowheader" colspan=(columns.count()) {
                                (who(words, group)) " "
                                span.count { (words.lang.people(group.rows.len())) }
                                (hidden(words, group))
                            }
                        }
                        @for row in rows {
                            (row_of(manner, &columns, group, row))
                        }
                    }
                }
            }
        }
    }
}

/// Each group with its number and those of its rows that stand on a page, from 0.
fn on_page(groups: &[Group], page: usize) -> impl Iterator<Item = (usize, &Group, &[RosterRow])> {
    let (from, to) = (page * PAGE_ROWS, (page + 1) * PAGE_ROWS);
    let mut before = 0;
    groups.iter().enumerate().map(move |(n, group)| {
        let place = |at: usize| at.saturating_sub(before).min(group.rows.len());
        let rows = &group.rows[place(from)..place(to)];
        before += group.rows.len();
        (n, group, rows)
    })
}

/// The fields that this group's company keeps to itself, for those who want to know.
fn hidden(words: &Words, group: &Group) -> Markup {
    let people = || group.rows.iter().filter(|row| staff_name(row).is_none());
    let grantable = || {
        let all = vocabulary::fields(Kind::Customer).iter();
        all.filter(|field| field.class != Class::S5)
    };
    let is_hidden = |field: &&Field| {
        people().all(|row| match &row.customer {
            Some(customer) => value::state(customer, field.name) == State::Withheld,
            None => true,
        })
    };
    let hidden: Vec<&Field> = grantable().filter(is_hidden).collect();
    let all = grantable().count();
    html! {
        @if !group.own && people().next().is_some() && !hidden.is_empty() {
            details.hidden {
                summary {
                    (shell::padlock()) " " (words.lang.fields_shared(all - hidden.len(), all))
                }
                p {
                    (words.hidden_fields) ": "
                    @for (n, field) in hidden.iter().enumerate() {
                        @if n > 0 { ", " }
                        (words.lang.label(field))
                    }
                }
            }
        }
    }
}

fn row_of(manner: Manner<'_>, columns: &Columns, group: &Group, row: &RosterRow) -> Markup {
    let words = manner.words;
    let staff = staff_name(row);
    html! {
        tr role="row" {
            th scope="row" role="rowheader" data-label=(label_of_name(words)) {
                @match staff {
                    Some(name) => { bdi { (name) } },
                    None => (person(manner, row, "name")),
                }
            }
            @for field in &columns.customer {
                td role="cell" data-label=(words.lang.label(field)) {
                    @match (staff, field.name) {
                        (Some(_), "org_name") => { bdi { (group.name) } },
                        (Some(_), _) => (shell::empty(words)),
                        (None, name) => (person(manner, row, name)),
                    }
                }
            }
            @for field in &columns.participation {
                td.short[field.name != "fit_reason"] role="cell"
                    data-label=(words.lang.label(field)) {
                    @match value::state(&row.participation, field.name) {
                        State::Value(value) => {
                            @match (field.name, value::text(&row.participation, "status")) {
                                ("status", Some(status)) => (status_mark(words, status)),
                                _ => (value::shown(manner, field.kind, field.name, value)),
                            }
                        },
                        State::Empty => (shell::empty(words)),
                        State::Withheld => (shell::withheld(words)),
                    }
                }
            }
        }
    }
}

/// A field of the customer; all of them are withheld if no part of the customer is shared.
fn person(manner: Manner<'_>, row: &RosterRow, name: &str) -> Markup {
    match row.customer.as_ref().map(|customer| value::state(customer, name)) {
        Some(State::Value(value)) => value::shown(manner, Kind::Customer, name, value),
        Some(State::Empty) => shell::empty(manner.words),
        Some(State::Withheld) | None => shell::withheld(manner.words),
    }
}

fn pager(words: &Words, count: usize, page: usize) -> Markup {
    let from = page * PAGE_ROWS;
    html! {
        @if count > PAGE_ROWS {
            nav.pager aria-label=(words.roster) {
                @if page > 0 { a href={ "?page=" (page) "#roster" } rel="prev" { "← " (words.previous) } }
                span { (words.lang.rows_of(from + 1, (from + PAGE_ROWS).min(count), count)) }
                @if from + PAGE_ROWS < count {
                    a href={ "?page=" (page + 2) "#roster" } rel="next" { (words.next) " →" }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use entente_protocol::book::Address;
    use entente_protocol::id::{RecordId, ShareId};
    use entente_protocol::time::Hlc;
    use entente_protocol::value::Value;

    use super::*;
    use crate::pages::moment::Zone;
    use crate::pages::value::OrgNames;
    use crate::pages::words::Lang;

    const CEDAR: OrgId = OrgId([3; 32]);

    /// A received record; `None` is a field in which nothing was entered, one not named is hidden.
    fn received(kind: Kind, fields: &[(&str, Option<&str>)]) -> RecordView {
        let share = ShareId([1; 32]);
        let record = RecordId([2; 16]);
        let hidden = vocabulary::fields(kind).iter().map(|field| field.name);
        let hidden = hidden.filter(|name| fields.iter().all(|(shown, _)| shown != name));
        RecordView {
            at: Address::Received { kind, share, section: CEDAR, record },
            share: Some(share),
            section: CEDAR,
            withheld: hidden.map(str::to_owned).collect(),
            fields: fields
                .iter()
                .map(|(name, text)| ((*name).to_owned(), text.map(|t| Value::Str(t.to_owned()))))
                .collect(),
            conflicts: Vec::new(),
            updated_at: Hlc::default(),
            updated_by: CEDAR,
        }
    }

    fn row(customer: Option<&[(&str, Option<&str>)]>, staff: Option<&str>) -> RosterRow {
        let mut fields = vec![("status", Some("invited")), ("role", None)];
        fields.push(("staff_name", staff));
        RosterRow {
            participation: received(Kind::Participation, &fields),
            contributed_by: CEDAR,
            via: Vec::new(),
            customer: customer.map(|fields| received(Kind::Customer, fields)),
        }
    }

    fn html(rows: Vec<RosterRow>, page: usize) -> String {
        let via = vec![("Bright".to_owned(), false)];
        let groups = [Group { name: "Cedar".into(), own: false, via, rows }];
        let (zone, orgs) = (Zone::named(None), OrgNames::default());
        let manner = Manner { words: Lang::En.words(), zone: &zone, orgs: &orgs };
        roster(manner, &groups, "evt_x", page).into_string()
    }

    fn cells(html: &str, name: &str) -> Vec<String> {
        let row = html.split("<tr role=\"row\">").find(|row| row.contains(name)).unwrap();
        row.split("<td").skip(1).map(|cell| cell.split("</td>").next().unwrap().into()).collect()
    }

    #[test]
    fn a_field_not_shared_has_a_padlock_and_an_empty_one_a_dash() {
        let wang: &[_] =
            &[("name", Some("王芳")), ("org_name", Some("Cedar Mills")), ("phones", None)];
        let zhao: &[_] = &[("name", Some("赵敏"))];
        let staff = Some("Nora");
        let page = html(vec![row(Some(wang), None), row(Some(zhao), None), row(None, staff)], 1);
        assert!(page.contains("<strong>3</strong> from <bdi>Cedar</bdi>"), "{page}");
        assert!(page.contains(" · via <bdi>Bright</bdi>"));
        let [org_name, phones, role, status] = &cells(&page, "王芳")[..] else {
            panic!("{page}")
        };
        assert!(org_name.contains("Cedar Mills") && status.contains("Invited"));
        for dash in [phones, role] {
            assert!(dash.contains("nothing entered") && !dash.contains("#lock"), "{dash}");
        }
        for padlock in &cells(&page, "赵敏")[..2] {
            assert!(padlock.contains("#lock") && padlock.contains("not shared with you"));
        }
        assert!(cells(&page, "Nora")[0].contains("Cedar"));
        assert!(page.contains("3 of 27 customer fields shared with you"), "{page}");
    }

    #[test]
    fn a_person_of_whom_nothing_is_shared_is_a_row_of_padlocks() {
        let page = html(vec![row(None, None)], 1);
        let people = page.split("</thead>").nth(1).unwrap();
        let row = people.split("<tr role=\"row\">").nth(1).unwrap();
        assert_eq!(row.matches("#lock").count(), 3, "{row}");
    }

    #[test]
    fn a_long_roster_comes_in_pages_and_each_says_where_it_is() {
        let rows = || (0..PAGE_ROWS + 5).map(|_| row(None, Some("N"))).collect();
        let count = |page: &str| page.matches("<th scope=\"row\"").count();
        let (first, second, beyond) = (html(rows(), 1), html(rows(), 2), html(rows(), usize::MAX));
        assert_eq!((count(&first), count(&second)), (PAGE_ROWS, 5));
        assert_eq!(second, beyond);
        assert!(first.contains("Rows 1–1000 of 1005"));
        assert!(second.contains("Rows 1001–1005 of 1005"));
    }
}
