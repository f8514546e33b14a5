//! Records of every kind: made, read, changed, listed, undone.

use entente_protocol::value::{Fields, Value};
use entente_protocol::vocabulary::{self, Kind, ValueError};
use serde_json::Value as Json;

use super::problem::Problem;
use super::{Answer, Replica, shown};
use crate::api::record::{Change, Conflict, ListParams, Record, Resolve, RosterRow, Values, Whose};
use crate::api::{Done, Made};
use crate::placeholder::{Edit, From, ListQuery, Page, RecordAddress, Selector};

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
    Ok(shown::record(&replica.record(id, kind)?))
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
        Some(value) => Edit::Set(name, value),
        None => Edit::Clear(name),
    });
    let edits: Vec<Edit> = edits.collect();
    let address = expect(replica, kind, id, expected)?;
    replica.edit(&address, edits)?;
    show(replica, Some(kind), &kind.id_text(&address.record))
}

/// Deletes an own record; `expected` is the tag that it must still have.
pub fn delete(replica: &mut Replica, kind: Kind, id: &str, expected: Option<&str>) -> Answer<Done> {
    let address = expect(replica, kind, id, expected)?;
    replica.delete(&address)?;
    Ok(Done {})
}

fn expect(
    replica: &mut Replica,
    kind: Kind,
    id: &str,
    expected: Option<&str>,
) -> Answer<RecordAddress> {
    let view = replica.record(id, Some(kind))?;
    let fits = |tags: &str| {
        let tag = tag(&shown::record(&view));
        tags.split(',').any(|one| one.trim() == "*" || one.trim() == tag)
    };
    if !expected.is_none_or(fits) {
        return Err(Problem::Stale { kind, id: kind.id_text(&view.address.record) });
    }
    Ok(view.address)
}

/// A part of a list, with the cursor of the next one.
pub fn list(replica: &mut Replica, kind: Kind, params: &ListParams) -> Answer<Page<Record>> {
    let query = ListQuery {
        from: match params.from {
            Whose::All => From::All,
            Whose::Own => From::Own,
            Whose::Partners => From::Partners,
        },
        selector: selector(kind, params.selector.as_deref())?,
        after: params.cursor.clone(),
        limit: params.limit.unwrap_or(crate::api::DEFAULT_LIMIT),
        sort: params.sort.as_deref().map(|name| known(kind, name)).transpose()?,
    };
    let page = replica.list(kind, &query)?;
    Ok(Page { items: page.items.iter().map(shown::record).collect(), next: page.next })
}

/// Reads a selector, if there is one.
pub fn selector(kind: Kind, text: Option<&str>) -> Answer<Option<Selector>> {
    Ok(text.map(|text| Selector::parse(kind, text)).transpose()?)
}

/// The history of a record, or of one of its fields; newest first.
pub fn history(
    replica: &mut Replica,
    kind: Kind,
    id: &str,
    field: Option<&str>,
) -> Answer<Vec<Change>> {
    let field = field.map(|name| known(kind, name)).transpose()?;
    let address = replica.record(id, Some(kind))?.address;
    let changes = replica.history(&address, field.as_deref())?;
    Ok(changes.iter().map(|change| shown::change(kind, change)).collect())
}

/// Takes back a change by a new one.
pub fn undo(replica: &mut Replica, kind: Kind, id: &str, change: &str) -> Answer<Record> {
    let address = replica.record(id, Some(kind))?.address;
    replica.undo(&address, change)?;
    show(replica, Some(kind), &kind.id_text(&address.record))
}

/// The conflicts of one record.
pub fn conflicts(replica: &mut Replica, kind: Kind, id: &str) -> Answer<Vec<Conflict>> {
    let view = replica.record(id, Some(kind))?;
    let id = kind.id_text(&view.address.record);
    Ok(view.conflicts.iter().map(|c| shown::conflict(kind, Some(id.clone()), c)).collect())
}

/// The conflicts of all records of a kind.
pub fn all_conflicts(replica: &mut Replica, kind: Kind) -> Answer<Vec<Conflict>> {
    let found = replica.conflicts(kind)?;
    let one = |(address, conflict): &(RecordAddress, _)| {
        shown::conflict(kind, Some(kind.id_text(&address.record)), conflict)
    };
    Ok(found.iter().map(one).collect())
}

/// Settles a conflict.
pub fn resolve(replica: &mut Replica, kind: Kind, id: &str, to: &Resolve) -> Answer<Record> {
    let field = known(kind, &to.field)?;
    let choice = to.choice.checked_sub(1).ok_or(Problem::Shape("choices are counted from 1"))?;
    let address = replica.record(id, Some(kind))?.address;
    replica.resolve(&address, &field, choice)?;
    show(replica, Some(kind), &kind.id_text(&address.record))
}

/// Everyone at an event, as far as this org may see.
pub fn roster(replica: &mut Replica, event: &str) -> Answer<Vec<RosterRow>> {
    let address = replica.record(event, Some(Kind::Event))?.address;
    Ok(replica.roster(&address)?.iter().map(shown::roster_row).collect())
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
