//! Makes changes: edits on all present heads, and undo as a new change.
//! What is made here is not applied here: it comes back through the one door.

use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{Automerge, ChangeHash, ObjId, ROOT, ReadDoc, ScalarValue};
use thiserror::Error;

use super::{ChangeRef, Facet, Hash};
use crate::change::{Inert, MAX_KEY_BYTES, MAX_STEP, Place, canonical_json, check_ops, identify};
use crate::id::LogId;
use crate::value::{Shape, Value};

/// One wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Make a field have this value: text by the smallest splices, sets by additions and removals,
    /// counters by the difference.
    Put(String, Value),
    /// Take the value away.
    Clear(String),
    /// Add an element, also if it is there: the addition wins over a concurrent removal.
    SetAdd(String, String),
    /// Remove an element.
    SetRemove(String, String),
    /// Add to a sum.
    Increment(String, i64),
    /// Replace characters of a text.
    Splice {
        /// The field.
        field: String,
        /// Where, in Unicode scalar values.
        at: usize,
        /// How many Unicode scalar values go.
        delete: usize,
        /// What comes.
        insert: String,
    },
}

impl Edit {
    /// The field it is about.
    pub fn field(&self) -> &str {
        match self {
            Edit::Put(field, _)
            | Edit::Clear(field)
            | Edit::SetAdd(field, _)
            | Edit::SetRemove(field, _)
            | Edit::Increment(field, _)
            | Edit::Splice { field, .. } => field,
        }
    }
}

/// Why an edit cannot be made.
#[derive(Debug, Error)]
pub enum EditError {
    /// The compartment has no such field.
    #[error("there is no field `{0}` here")]
    Field(String),
    /// The field holds something else.
    #[error("`{0}` does not hold that kind of value")]
    Shape(String),
    /// Not JSON.
    #[error("the value for `{0}` is not JSON")]
    NotJson(String),
    /// An element of a set that is empty or longer than [`MAX_KEY_BYTES`].
    #[error("an element of `{0}` must have 1 to {MAX_KEY_BYTES} bytes")]
    Element(String),
    /// A splice beyond the end.
    #[error("`{0}` is shorter than that")]
    OutOfRange(String),
    /// A sum that does not fit, or a step above [`MAX_STEP`].
    #[error("the step for `{0}` is too large")]
    Overflow(String),
    /// No leaf stands at this place, or it does not count.
    #[error("there is no such change")]
    NoSuchChange,
    /// The change would not stand, for example because it is too long.
    #[error("the change would not stand")]
    WouldNotStand(#[from] Inert),
    /// Automerge failed.
    #[error("automerge failed")]
    Automerge(#[from] automerge::AutomergeError),
}

impl Facet {
    /// The raw bytes of a new change by the owner of `log`, on all present heads; `None` if nothing
    /// would change. They must be inserted before the same log edits again.
    pub fn edit(&self, log: &LogId, edits: &[Edit]) -> Result<Option<Vec<u8>>, EditError> {
        let mut document = self.document.clone();
        document.set_actor(self.next_actor(log).as_slice().into());
        let mut transaction = document.transaction();
        for edit in edits {
            self.perform(&mut transaction, edit)?;
        }
        let (Some(hash), _) = transaction.commit_with(CommitOptions::default().with_time(0)) else {
            return Ok(None);
        };
        self.seal(log, &document, &hash).map(Some)
    }

    /// The bytes of a change that was just made, if it would stand.
    fn seal(&self, log: &LogId, made: &Automerge, hash: &ChangeHash) -> Result<Vec<u8>, EditError> {
        let change = made.get_change_by_hash(hash).ok_or(Inert::Unreadable)?;
        let bytes = change.raw_bytes().to_vec();
        let (_, chunk) = identify(&bytes, log)?;
        check_ops(&self.schema, &chunk)?;
        Ok(bytes)
    }

    fn perform(&self, to: &mut Transaction<'_>, edit: &Edit) -> Result<(), EditError> {
        match edit {
            Edit::Put(field, value) => self.put(to, field, value),
            Edit::Clear(field) => match self.shape_of(field)? {
                Some(Shape::Text) => self.put(to, field, &Value::Text(String::new())),
                Some(Shape::Set) => self.put(to, field, &Value::Set(Default::default())),
                Some(Shape::Counter) => self.put(to, field, &Value::Counter(0)),
                Some(Shape::Bool | Shape::Int | Shape::Instant | Shape::Str | Shape::Json)
                | None => match to.get(ROOT, field.as_str())? {
                    Some(_) => Ok(to.delete(ROOT, field.as_str())?),
                    None => Ok(()),
                },
            },
            Edit::SetAdd(field, element) => {
                let set = self.container(to, field, Shape::Set)?;
                valid_element(field, element)?;
                // A put of what is there would be no operation, and a concurrent removal win.
                if to.get(&set, element.as_str())?.is_some() {
                    to.delete(&set, element.as_str())?;
                }
                Ok(to.put(&set, element.as_str(), true)?)
            }
            Edit::SetRemove(field, element) => {
                let set = self.container(to, field, Shape::Set)?;
                if !element.is_empty() && to.get(&set, element.as_str())?.is_some() {
                    to.delete(&set, element.as_str())?;
                }
                Ok(())
            }
            Edit::Increment(field, by) => match self.shape_of(field)? {
                Some(Shape::Counter) if *by == 0 => Ok(()),
                Some(Shape::Counter) => {
                    Ok(to.increment(ROOT, field.as_str(), step(field, *by)?)?)
                }
                Some(_) | None => Err(EditError::Shape(field.clone())),
            },
            Edit::Splice { field, at, delete, insert } => {
                let text = self.container(to, field, Shape::Text)?;
                let end = at.checked_add(*delete).filter(|end| *end <= to.length(&text));
                end.ok_or_else(|| EditError::OutOfRange(field.clone()))?;
                Ok(to.splice_text(&text, *at, *delete as isize, insert)?)
            }
        }
    }

    fn put(&self, to: &mut Transaction<'_>, field: &str, value: &Value) -> Result<(), EditError> {
        fits(&self.schema, field, value)?;
        let scalar: ScalarValue = match value {
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Instant(value) => ScalarValue::Timestamp(*value),
            Value::Str(value) => value.as_str().into(),
            Value::Json(value) => {
                let json = canonical_json(value).ok_or_else(|| EditError::NotJson(field.into()))?;
                ScalarValue::Bytes(json.into_bytes())
            }
            Value::Text(value) => {
                let text = self.container(to, field, Shape::Text)?;
                return Ok(to.update_text(&text, value)?);
            }
            Value::Set(value) => {
                let set = self.container(to, field, Shape::Set)?;
                let now: Vec<String> = to.keys(&set).collect();
                for gone in now.iter().filter(|element| !value.contains(*element)) {
                    to.delete(&set, gone.as_str())?;
                }
                for element in value.iter().filter(|element| !now.contains(element)) {
                    valid_element(field, element)?;
                    to.put(&set, element.as_str(), true)?;
                }
                return Ok(());
            }
            Value::Counter(value) => {
                let by = value.checked_sub(self.sum(to, field)?);
                let by = by.ok_or_else(|| EditError::Overflow(field.into()))?;
                return match by {
                    0 => Ok(()),
                    by => Ok(to.increment(ROOT, field, step(field, by)?)?),
                };
            }
        };
        Ok(to.put(ROOT, field, scalar)?)
    }

    /// The shape of a field; `None` if it is an open one.
    fn shape_of(&self, field: &str) -> Result<Option<Shape>, EditError> {
        match self.schema.shape(field) {
            Some(shape) => Ok(Some(shape)),
            None if self.schema.takes(field) => Ok(None),
            None => Err(EditError::Field(field.into())),
        }
    }

    fn container(
        &self,
        to: &Transaction<'_>,
        field: &str,
        shape: Shape,
    ) -> Result<ObjId, EditError> {
        let shaped = self.shape_of(field)? == Some(shape);
        match to.get(ROOT, field)? {
            Some((_, id)) if shaped => Ok(id),
            Some(_) | None => Err(EditError::Shape(field.into())),
        }
    }

    fn sum(&self, to: &Transaction<'_>, field: &str) -> Result<i64, EditError> {
        let held = to.get(ROOT, field)?;
        Ok(held.as_ref().and_then(|(held, _)| held.as_scalar()?.as_i64()).unwrap_or(0))
    }

    /// A new change that brings back what one change replaced, where that still stands;
    /// text is put back where the words around it are found again.
    pub fn undo(&self, log: &LogId, of: ChangeRef) -> Result<Option<Vec<u8>>, EditError> {
        let edits = self.undoing(of).ok_or(EditError::NoSuchChange)?;
        self.edit(log, &edits)
    }

    fn undoing(&self, of: ChangeRef) -> Option<Vec<Edit>> {
        let index = *self.by_place.get(&of)?;
        let known = self.known(index).filter(|_| self.applied.contains(&index))?;
        let as_of = |hashes: &[Hash]| -> Vec<ChangeHash> {
            hashes.iter().map(|hash| ChangeHash(*hash)).collect()
        };
        let before = as_of(&known.identity.deps);
        let after = as_of(&[known.identity.hash]);
        let mut edits = Vec::new();
        for field in self.touched(of) {
            let then = (self.get_at(&field, Some(&before)), self.get_at(&field, Some(&after)));
            match (self.schema.shape(&field), then) {
                (Some(Shape::Text), (before, after)) => {
                    let now = text_of(self.get(&field));
                    if let Some(text) = unpatch(&text_of(before), &text_of(after), &now) {
                        edits.push(Edit::Put(field, Value::Text(text)));
                    }
                }
                (Some(Shape::Set), (before, _)) => {
                    let had = match before {
                        Some(Value::Set(elements)) => elements,
                        Some(_) | None => Default::default(),
                    };
                    edits.extend(self.undo_members(&field, &known.checked.slots, &had, index));
                }
                (Some(Shape::Counter), (before, after)) => {
                    let by = sum_of(before).wrapping_sub(sum_of(after));
                    edits.push(Edit::Increment(field, by));
                }
                (_, (before, after)) => {
                    let stands = match self.document.get(ROOT, field.as_str()).ok()? {
                        Some((_, id)) => self.author(&id) == Some(of),
                        None => after.is_none(),
                    };
                    if stands {
                        edits.push(match before {
                            Some(value) => Edit::Put(field, value),
                            None => Edit::Clear(field),
                        });
                    }
                }
            }
        }
        Some(edits)
    }

    fn undo_members(
        &self,
        field: &str,
        slots: &[crate::change::Slot],
        had: &std::collections::BTreeSet<String>,
        index: usize,
    ) -> Vec<Edit> {
        let present = match self.get(field) {
            Some(Value::Set(elements)) => elements,
            Some(_) | None => Default::default(),
        };
        let ours = |element: &str| {
            let set = self.document.get(ROOT, field).ok().flatten();
            let held = set.and_then(|(_, set)| self.document.get(set, element).ok().flatten());
            held.and_then(|(_, id)| self.author(&id)) == Some(self.leaves[index].place)
        };
        let mut edits = Vec::new();
        for slot in slots.iter().filter(|slot| self.field(slot) == field) {
            let Place::Member(_, element) = &slot.place else { continue };
            let edit = match (had.contains(element), present.contains(element)) {
                (true, false) => Edit::SetAdd(field.into(), element.clone()),
                (false, true) if ours(element) => Edit::SetRemove(field.into(), element.clone()),
                (false | true, true) | (false, false) => continue,
            };
            if !edits.contains(&edit) {
                edits.push(edit);
            }
        }
        edits
    }
}

/// Whether a value may stand in a field of this schema.
pub(super) fn fits(schema: &super::Schema, field: &str, value: &Value) -> Result<(), EditError> {
    let open = [Shape::Str, Shape::Json].contains(&value.shape());
    match schema.shape(field) {
        Some(shape) if shape == value.shape() => Ok(()),
        Some(_) => Err(EditError::Shape(field.into())),
        None if schema.takes(field) && field.len() <= MAX_KEY_BYTES && open => Ok(()),
        None if schema.takes(field) => Err(EditError::Shape(field.into())),
        None => Err(EditError::Field(field.into())),
    }
}

pub(super) fn valid_element(field: &str, element: &str) -> Result<(), EditError> {
    match element.len() {
        1..=MAX_KEY_BYTES => Ok(()),
        _ => Err(EditError::Element(field.into())),
    }
}

pub(super) fn step(field: &str, by: i64) -> Result<i64, EditError> {
    let fits = by.unsigned_abs() <= MAX_STEP;
    fits.then_some(by).ok_or_else(|| EditError::Overflow(field.into()))
}

fn text_of(value: Option<Value>) -> String {
    match value {
        Some(Value::Text(text)) => text,
        Some(_) | None => String::new(),
    }
}

fn sum_of(value: Option<Value>) -> i64 {
    match value {
        Some(Value::Counter(sum)) => sum,
        Some(_) | None => 0,
    }
}

/// `now` with the step from `before` to `after` taken back: the one stretch in which they differ is
/// looked for with up to 16 characters around it. `None` if it is not found.
fn unpatch(before: &str, after: &str, now: &str) -> Option<String> {
    if now == after {
        return Some(before.to_owned());
    }
    let (b, a): (Vec<char>, Vec<char>) = (before.chars().collect(), after.chars().collect());
    let head = b.iter().zip(&a).take_while(|(b, a)| b == a).count();
    let most = b.len().min(a.len()) - head;
    let tail = b.iter().rev().zip(a.iter().rev()).take(most).take_while(|(b, a)| b == a).count();
    let text = |chars: &[char]| chars.iter().collect::<String>();
    let (gone, come) = (text(&b[head..b.len() - tail]), text(&a[head..a.len() - tail]));
    for around in [16, 8, 4, 1] {
        let left = text(&a[head.saturating_sub(around)..head]);
        let right = text(&a[a.len() - tail..(a.len() - tail + around).min(a.len())]);
        let found = format!("{left}{come}{right}");
        if !found.is_empty()
            && let Some(at) = now.find(&found)
        {
            let mut text = now.to_owned();
            let start = at + left.len();
            text.replace_range(start..start + come.len(), &gone);
            return Some(text);
        }
    }
    None
}
