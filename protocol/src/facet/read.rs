//! What stands in a facet: values, conflicts, history. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{ChangeHash, ObjId, ROOT, ReadDoc, ScalarValue, Value as Held};

use super::{ChangeRef, Facet};
use crate::change::{Hash, Place, Slot};
use crate::value::{Fields, Shape, Value};

/// What a field held after one change of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The change.
    pub change: ChangeRef,
    /// The value as its author left it; `None` if cleared.
    pub value: Option<Value>,
}

impl Facet {
    /// The present values. Empty text, empty sets and sums of zero are absent, as genesis made them.
    pub fn values(&self) -> Fields {
        let mut fields = Fields::new();
        for item in self.document.map_range(ROOT, ..) {
            let held = item.value.clone().into_value();
            if let Some(value) = self.value(&item.key, &held, &item.id(), None) {
                fields.insert(item.key.into_owned(), value);
            }
        }
        fields
    }

    /// The present value of one field.
    pub fn get(&self, field: &str) -> Option<Value> {
        self.get_at(field, None)
    }

    /// The value of one field as of some heads.
    pub(super) fn get_at(&self, field: &str, heads: Option<&[ChangeHash]>) -> Option<Value> {
        let found = match heads {
            None => self.document.get(ROOT, field),
            Some(heads) => self.document.get_at(ROOT, field, heads),
        };
        let (held, id) = found.ok()??;
        self.value(field, &held.into_owned(), &id, heads)
    }

    fn value(
        &self,
        field: &str,
        held: &Held<'_>,
        id: &ObjId,
        heads: Option<&[ChangeHash]>,
    ) -> Option<Value> {
        match (self.schema.shape(field), held) {
            (Some(Shape::Text), Held::Object(_)) => {
                let text = match heads {
                    None => self.document.text(id),
                    Some(heads) => self.document.text_at(id, heads),
                };
                text.ok().filter(|text| !text.is_empty()).map(Value::Text)
            }
            (Some(Shape::Set), Held::Object(_)) => {
                let elements: BTreeSet<String> = match heads {
                    None => self.document.keys(id).collect(),
                    Some(heads) => self.document.keys_at(id, heads).collect(),
                };
                Some(elements).filter(|elements| !elements.is_empty()).map(Value::Set)
            }
            (_, Held::Scalar(scalar)) => scalar_value(scalar),
            (_, Held::Object(_)) => None,
        }
    }

    /// Fields that were set concurrently, with every value that none of their authors had seen
    /// replaced; the one that shows is last.
    pub fn conflicts(&self) -> BTreeMap<String, Vec<(ChangeRef, Value)>> {
        let mut conflicts = BTreeMap::new();
        for item in self.document.map_range(ROOT, ..).filter(|item| item.conflict) {
            let all = self.document.get_all(ROOT, item.key.as_ref()).unwrap_or_default();
            let each = all.into_iter().filter_map(|(held, id)| {
                let value = self.value(&item.key, &held, &id, None)?;
                Some((self.author(&id)?, value))
            });
            let each = each.collect();
            conflicts.insert(item.key.into_owned(), each);
        }
        conflicts
    }

    /// The leaf whose change made an operation.
    pub(super) fn author(&self, id: &ObjId) -> Option<ChangeRef> {
        let ObjId::Id(counter, actor, _) = id else { return None };
        let actor = actor.to_bytes().try_into().ok()?;
        self.holder(&actor, *counter).map(|(index, _)| self.leaves[index].place)
    }

    /// What became of a field, oldest first; concurrent changes in the order of their places.
    pub fn history(&self, field: &str) -> Vec<HistoryEntry> {
        let mut entries: Vec<(u64, HistoryEntry)> = Vec::new();
        for index in &self.applied {
            let Some(known) = self.known(*index) else { continue };
            if known.checked.slots.iter().any(|slot| self.touches(slot, field)) {
                let change = self.leaves[*index].place;
                let value = self.get_at(field, Some(&[ChangeHash(known.identity.hash)]));
                entries.push((known.identity.start_op, HistoryEntry { change, value }));
            }
        }
        entries.sort_by_key(|(start, entry)| (*start, entry.change));
        entries.into_iter().map(|(_, entry)| entry).collect()
    }

    /// The fields that a change touches, by the place of its leaf.
    pub fn touched(&self, of: ChangeRef) -> BTreeSet<String> {
        let known = self.by_place.get(&of).and_then(|index| self.known(*index));
        let slots = known.map(|known| known.checked.slots.as_slice()).unwrap_or_default();
        slots.iter().map(|slot| self.field(slot).to_owned()).collect()
    }

    pub(super) fn field<'s>(&'s self, slot: &'s Slot) -> &'s str {
        match &slot.place {
            Place::Open(name) => name,
            Place::Field(field) | Place::Member(field, _) | Place::Text(field) => {
                &self.schema.fields()[*field].name
            }
        }
    }

    fn touches(&self, slot: &Slot, field: &str) -> bool {
        self.field(slot) == field
    }

    /// The values as of the state that these heads name; heads that are not here are left out.
    pub fn values_at(&self, heads: &[Hash]) -> Fields {
        let heads: Vec<ChangeHash> = heads.iter().map(|hash| ChangeHash(*hash)).collect();
        let names = self.document.keys_at(ROOT, &heads);
        names.filter_map(|name| Some((name.clone(), self.get_at(&name, Some(&heads))?))).collect()
    }
}

fn scalar_value(scalar: &ScalarValue) -> Option<Value> {
    match scalar {
        ScalarValue::Boolean(value) => Some(Value::Bool(*value)),
        ScalarValue::Int(value) => Some(Value::Int(*value)),
        ScalarValue::Timestamp(value) => Some(Value::Instant(*value)),
        ScalarValue::Str(value) => Some(Value::Str(value.to_string())),
        ScalarValue::Bytes(value) => String::from_utf8(value.clone()).ok().map(Value::Json),
        ScalarValue::Counter(value) => {
            Some(i64::from(value)).filter(|n| *n != 0).map(Value::Counter)
        }
        ScalarValue::Null
        | ScalarValue::Uint(_)
        | ScalarValue::F64(_)
        | ScalarValue::Unknown { .. } => None,
    }
}
