//! Records of every kind: made, read, changed, listed, undone.

use data_encoding::HEXLOWER;
use entente_protocol::book::Address;
use entente_protocol::facet::Edit;
use entente_protocol::policy::Proposal;
use entente_protocol::select::Selector;
use entente_protocol::value::{Fields, Value};
use entente_protocol::view::{From, ListQuery, RecordView};
use entente_protocol::vocabulary::{self, Kind, ValueError};
use serde_json::Value as Json;

use super::problem::Problem;
use super::{Answer, Replica, disclosure, outlook, shown};
use crate::api::record::{Change, Conflict, ListParams, Record, Resolve, RosterRow, Values, Whose};
use crate::api::share::Leaving;
use crate::api::{Done, Made};

/// The state of a record as an entity tag: changes whenever anything shown of it changes.
pub fn tag(record: &Record) -> String {
    let bytes = serde_json::to_vec(record).unwrap_or_default();
    format!("\"{}\"", &blake3::hash(&bytes).to_hex()[..32])
}

/// Makes a record.
pub fn create(replica: &mut Replica, kind: Kind, values: &Values) -> Answer<Made> {
    let mut fields = Fields::new();
    for (name, value) in read_values(kind, values)? {
        if let Some(value) = value {
            fields.insert(name, value);
        }
    }
    let id = replica.create(kind, fields)?;
    Ok(Made { id: kind.id_text(&id) })
}

/// Shows a record.
pub fn show(replica: &mut Replica, kind: Option<Kind>, id: &str) -> Answer<Record> {
    let at = replica.find_record(id, kind)?;
    shown_at(replica, &at)
}

fn shown_at(replica: &Replica, at: &Address) -> Answer<Record> {
    let mut shown = shown_view(replica, &replica.record(at)?)?;
    if let Address::Own { record, .. } = at {
        let from = replica.provenance(record)?;
        shown.adopted_from = from.map(|from| shown::adopted_from(replica, &from));
    }
    Ok(shown)
}

/// A record as somebody sees it, with the choices of those of its fields that have several.
pub fn shown_view(replica: &Replica, view: &RecordView) -> Answer<Record> {
    let mut conflicts = match view.conflicts.is_empty() {
        true => Vec::new(),
        false => replica.conflicts(&view.at)?,
    };
    conflicts.retain(|conflict| view.conflicts.contains(&conflict.field));
    Ok(shown::record(replica, view, &conflicts))
}

/// Changes fields; `expected` is the tag that the record must still have.
pub fn set(
    replica: &mut Replica,
    kind: Kind,
    id: &str,
    values: &Values,
    expected: Option<&str>,
) -> Answer<Record> {
    let edits = read_values(kind, values)?.into_iter().map(|(name, value)| match value {
        Some(value) => Edit::Put(name, value),
        None => Edit::Clear(name),
    });
    let edits: Vec<Edit> = edits.collect();
    let at = expect(replica, kind, id, expected)?;
    replica.edit(&at, edits)?;
    shown_at(replica, &at)
}

/// Deletes an own record; `expected` is the tag that it must still have.
pub fn delete(replica: &mut Replica, kind: Kind, id: &str, expected: Option<&str>) -> Answer<Done> {
    let at = expect(replica, kind, id, expected)?;
    replica.delete(&at)?;
    Ok(Done {})
}

/// Who would lose what if an own record were deleted, and what would stay with whom.
pub fn preview_delete(replica: &mut Replica, kind: Kind, id: &str) -> Answer<Leaving> {
    let at = replica.find_record(id, Some(kind))?;
    let gone = Proposal { take_out: vec![at.record()], ..Proposal::default() };
    let mut leaving = replica.if_deleted(&at, |replica, shares| {
        let mut leaving = outlook::leaving_in(replica, shares, &gone)?;
        leaving.notes.extend(outlook::staying(replica, shares, &leaving)?);
        Ok::<_, Problem>(leaving)
    })??;
    if kind == Kind::Customer {
        leaving.notes.extend(disclosure::files(replica, &at.record())?);
    }
    Ok(leaving)
}

fn expect(replica: &mut Replica, kind: Kind, id: &str, expected: Option<&str>) -> Answer<Address> {
    let at = replica.find_record(id, Some(kind))?;
    let tag = tag(&shown_at(replica, &at)?);
    let fits = |tags: &str| tags.split(',').any(|one| one.trim() == "*" || one.trim() == tag);
    if !expected.is_none_or(fits) {
        return Err(Problem::Stale { kind, id: at.text() });
    }
    Ok(at)
}

/// A part of a list.
#[derive(Debug)]
pub struct Part {
    /// The records.
    pub items: Vec<Record>,
    /// The cursor of the next part.
    pub next: Option<String>,
}

/// A part of a list, with the cursor of the next one. A sorted list is read whole.
pub fn list(replica: &mut Replica, kind: Kind, params: &ListParams) -> Answer<Part> {
    let limit = params.limit.unwrap_or(crate::api::DEFAULT_LIMIT);
    let mut query = ListQuery {
        kind,
        from: match params.from {
            Whose::All => From::All,
            Whose::Own => From::Own,
            Whose::Partners => From::Partners,
        },
        selector: selector(kind, params.selector.as_deref())?,
        after: None,
        limit,
    };
    let cursor = || Problem::Shape("the cursor is damaged");
    let (views, next) = match &params.sort {
        None => {
            if let Some(text) = &params.cursor {
                query.after = Some(HEXLOWER.decode(text.as_bytes()).map_err(|_| cursor())?);
            }
            let page = replica.list(&query)?;
            (page.records, page.next.map(|next| HEXLOWER.encode(&next)))
        }
        Some(name) => {
            let field = known(kind, name.trim_start_matches('-'))?;
            let skip = params.cursor.as_deref().unwrap_or("0");
            let skip: usize = skip.parse().map_err(|_| cursor())?;
            query.limit = usize::MAX;
            let mut views = replica.list(&query)?.records;
            sort(&mut views, &field, name.starts_with('-'));
            let next = (views.len() > skip.saturating_add(limit)).then(|| skip + limit);
            let part = views.into_iter().skip(skip).take(limit).collect();
            (part, next.map(|next| next.to_string()))
        }
    };
    let items = views.iter().map(|view| shown::record(replica, view, &[])).collect();
    Ok(Part { items, next })
}

/// By a field's value, records without one last.
fn sort(views: &mut [RecordView], field: &str, descending: bool) {
    views.sort_by(|a, b| {
        let value = |view: &RecordView| view.fields.get(field).cloned().flatten();
        let (a, b) = (value(a), value(b));
        let order = if descending { b.cmp(&a) } else { a.cmp(&b) };
        b.is_some().cmp(&a.is_some()).then(order)
    });
}

/// Reads a selector; without one, everything is selected.
pub fn selector(kind: Kind, text: Option<&str>) -> Answer<Selector> {
    Ok(Selector::parse(kind, text.unwrap_or_default())?)
}

/// The history of a record, or of one of its fields; newest first.
pub fn history(
    replica: &mut Replica,
    kind: Kind,
    id: &str,
    field: Option<&str>,
) -> Answer<Vec<Change>> {
    let field = field.map(|name| known(kind, name)).transpose()?;
    let at = replica.find_record(id, Some(kind))?;
    let changes = replica.history(&at, field.as_deref())?;
    let one = |(n, change): (usize, &entente_protocol::history::Change)| {
        let before = changes[n + 1..].iter().find(|older| older.field == change.field);
        shown::change(replica, kind, change, before.and_then(|older| older.value.as_ref()))
    };
    Ok(changes.iter().enumerate().map(one).collect())
}

/// Takes back a change by a new one.
pub fn undo(replica: &mut Replica, kind: Kind, id: &str, change: &str) -> Answer<Record> {
    let at = replica.find_record(id, Some(kind))?;
    replica.undo(&at, change)?;
    shown_at(replica, &at)
}

/// The conflicts of one record.
pub fn conflicts(replica: &mut Replica, kind: Kind, id: &str) -> Answer<Vec<Conflict>> {
    let at = replica.find_record(id, Some(kind))?;
    let found = replica.conflicts(&at)?;
    Ok(found.iter().map(|c| shown::conflict(replica, kind, Some(at.text()), c)).collect())
}

/// The conflicts of all records of a kind.
pub fn all_conflicts(replica: &mut Replica, kind: Kind) -> Answer<Vec<Conflict>> {
    let mut all = Vec::new();
    for view in replica.list(&ListQuery::of(kind))?.records {
        if view.conflicts.is_empty() {
            continue;
        }
        for conflict in replica.conflicts(&view.at)? {
            all.push(shown::conflict(replica, kind, Some(view.at.text()), &conflict));
        }
    }
    Ok(all)
}

/// Settles a conflict.
pub fn resolve(replica: &mut Replica, kind: Kind, id: &str, to: &Resolve) -> Answer<Record> {
    let field = known(kind, &to.field)?;
    let choice = to.choice.checked_sub(1).ok_or(Problem::Shape("choices are counted from 1"))?;
    let at = replica.find_record(id, Some(kind))?;
    // People see the value that is shown now first, the replica keeps it last.
    let count = replica.conflicts(&at)?.iter().find(|c| c.field == field).map(|c| c.choices.len());
    let choice = count.unwrap_or(0).checked_sub(choice + 1).unwrap_or(usize::MAX);
    replica.resolve(&at, &field, choice)?;
    shown_at(replica, &at)
}

/// Everyone at an event, as far as this org may see.
pub fn roster(replica: &mut Replica, event: &str) -> Answer<Vec<RosterRow>> {
    let at = replica.find_record(event, Some(Kind::Event))?;
    Ok(replica.roster(&at)?.iter().map(|row| shown::roster_row(replica, row)).collect())
}

/// The name of a field that a kind has.
pub fn known(kind: Kind, name: &str) -> Result<String, ValueError> {
    match vocabulary::class(kind, name) {
        Some(_) => Ok(name.to_owned()),
        None => Err(ValueError::Unknown {
            kind,
            name: name.to_owned(),
            nearest: vocabulary::nearest(kind, name),
        }),
    }
}

/// Values by field; `None` clears it.
fn read_values(kind: Kind, values: &Values) -> Answer<Vec<(String, Option<Value>)>> {
    let mut read = Vec::with_capacity(values.fields.len() + values.text.len());
    for (name, json) in &values.fields {
        let name = known(kind, name)?;
        if values.text.contains_key(&name) {
            return Err(Problem::Twice { field: name });
        }
        let value = match json {
            Json::Null => None,
            json => Some(vocabulary::from_json(kind, &name, json)?),
        };
        read.push((name, value));
    }
    for (name, text) in &values.text {
        let name = known(kind, name)?;
        let value = match text.as_str() {
            "" => None,
            text => Some(vocabulary::parse_text(kind, &name, text)?),
        };
        read.push((name, value));
    }
    Ok(read)
}
