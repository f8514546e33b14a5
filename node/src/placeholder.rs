//! Stand-ins for the replica and the engine thread, with the names and shapes that `service/`
//! and `http/` are written against. Keeps own records in memory so that the API can be tried;
//! everything that needs partners answers `not_built_yet`. To be replaced, name by name.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::mpsc;
use std::time::{SystemTime, UNIX_EPOCH};

use entente_protocol::id::{GrantId, OrgId, PublicKey, RecordId, ShareId};
use entente_protocol::statement::Scope;
use entente_protocol::time::Millis;
use entente_protocol::value::{Fields, Value};
use entente_protocol::vocabulary::{self, Kind};
use thiserror::Error;

/// Why the replica did not do what it was asked to.
#[derive(Debug, Error)]
pub enum Refusal {
    /// Nothing of that name or id is known here.
    #[error("there is no {what} `{name}` here")]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// The id, prefix or name that was given.
        name: String,
    },
    /// A prefix or a name fits several.
    #[error("`{name}` may be any of {matches:?}")]
    Ambiguous {
        /// The prefix or name that was given.
        name: String,
        /// Some of what it fits.
        matches: Vec<String>,
    },
    /// No grant allows it.
    #[error("{0}")]
    NotPermitted(String),
    /// Part of a later version.
    #[error("`{0}` is not built yet")]
    NotBuiltYet(&'static str),
    /// The engine thread has ended.
    #[error("the node is shutting down")]
    Stopped,
}

impl Refusal {
    /// Names the refusal for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Unknown { .. } => "unknown",
            Refusal::Ambiguous { .. } => "ambiguous",
            Refusal::NotPermitted(_) => "not_permitted",
            Refusal::NotBuiltYet(_) => "not_built_yet",
            Refusal::Stopped => "stopped",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Refusal::Ambiguous { .. } => Some("type more of the id".into()),
            Refusal::Unknown { .. }
            | Refusal::NotPermitted(_)
            | Refusal::NotBuiltYet(_)
            | Refusal::Stopped => None,
        }
    }
}

/// Who an org is, for people.
#[derive(Debug, Clone)]
pub struct Name {
    /// The org.
    pub org: OrgId,
    /// Its name.
    pub name: String,
}

/// Where a record is kept: in the book (no share) or in a section of a share.
#[derive(Debug, Clone)]
pub struct RecordAddress {
    /// The kind.
    pub kind: Kind,
    /// The share, if received.
    pub share: Option<ShareId>,
    /// Whose it is.
    pub section: OrgId,
    /// Its id there.
    pub record: RecordId,
}

/// A record as this org may see it.
#[derive(Debug, Clone)]
pub struct RecordView {
    /// Where it is kept.
    pub address: RecordAddress,
    /// Whose it is.
    pub section: Name,
    /// Values; granted fields without one are `None`.
    pub fields: BTreeMap<String, Option<Value>>,
    /// Fields not granted.
    pub withheld: Vec<String>,
    /// Fields the mapping has no place for.
    pub unmapped: Vec<String>,
    /// Fields with several values.
    pub conflicts: Vec<ConflictView>,
    /// When it last changed.
    pub updated_at: Millis,
    /// Who changed it last.
    pub updated_by: Name,
}

/// Several values of one field.
#[derive(Debug, Clone)]
pub struct ConflictView {
    /// The field.
    pub field: String,
    /// The values, the shown one first.
    pub choices: Vec<(Value, Name, Millis)>,
}

/// One change of one field.
#[derive(Debug, Clone)]
pub struct ChangeView {
    /// Names it for `undo`.
    pub change: String,
    /// The field.
    pub field: String,
    /// Before.
    pub from: Option<Value>,
    /// After.
    pub to: Option<Value>,
    /// Who.
    pub by: Name,
    /// When.
    pub at: Millis,
}

/// One change to make.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Sets a field.
    Set(String, Value),
    /// Clears a field.
    Clear(String),
}

/// Which records a list gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum From {
    /// All.
    #[default]
    All,
    /// Own.
    Own,
    /// Received.
    Partners,
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Own, received, or both.
    pub from: From,
    /// Which.
    pub selector: Option<Selector>,
    /// Where the previous page ended.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
    /// The field to sort by.
    pub sort: Option<String>,
}

/// Which records a rule or a list is about.
#[derive(Debug, Clone)]
pub struct Selector {
    field: String,
    text: String,
}

impl Selector {
    /// Reads `field=value`.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, SelectorError> {
        let (field, value) = text.split_once('=').ok_or(SelectorError::Form)?;
        if vocabulary::class(kind, field).is_none() {
            let nearest = vocabulary::nearest(kind, field);
            return Err(SelectorError::Field { kind, name: field.into(), nearest });
        }
        Ok(Self { field: field.into(), text: value.into() })
    }

    fn fits(&self, kind: Kind, fields: &Fields) -> bool {
        fields.get(&self.field).is_some_and(|value| {
            let text = vocabulary::to_text(kind, &self.field, value);
            vocabulary::split_items(&text).any(|item| item == self.text) || text == self.text
        })
    }
}

/// Why a text is no selector.
#[derive(Debug, Error)]
pub enum SelectorError {
    /// Not `field=value`.
    #[error("a selector looks like status=open")]
    Form,
    /// No such field.
    #[error("{kind} has no field `{name}`{}", .nearest.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    Field {
        /// The kind.
        kind: Kind,
        /// What was asked for.
        name: String,
        /// The nearest there is.
        nearest: Option<&'static str>,
    },
}

/// Part of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// One line of a roster.
#[derive(Debug, Clone)]
pub struct RosterRow {
    /// The participation.
    pub participation: RecordView,
    /// Who brought this person.
    pub contributed_by: Name,
    /// Through whom.
    pub via: Vec<Name>,
    /// The customer, if anything of it may be seen.
    pub customer: Option<RecordView>,
}

/// How a share stands.
#[derive(Debug, Clone, Copy)]
pub enum ShareState {
    /// Taking part.
    Open,
    /// Offered.
    Offered,
    /// Over.
    Ended,
    /// Closed by its opener.
    Closed,
}

/// A share as this org may know it.
#[derive(Debug, Clone)]
pub struct ShareView {
    /// Its id.
    pub id: ShareId,
    /// Its name.
    pub name: String,
    /// Its purpose.
    pub purpose: String,
    /// When it ends.
    pub ends_at: Option<Millis>,
    /// Who opened it.
    pub opened_by: Name,
    /// How it stands.
    pub state: ShareState,
    /// For whose node it waits.
    pub waiting_for: Option<Name>,
    /// Who put what into it.
    pub sections: Vec<SectionView>,
    /// Who may do what.
    pub grants: Vec<GrantView>,
}

/// What one org put into a share.
#[derive(Debug, Clone)]
pub struct SectionView {
    /// The org.
    pub org: Name,
    /// Its compartments.
    pub compartments: Vec<CompartmentView>,
}

/// Fields seen by the same partners.
#[derive(Debug, Clone)]
pub struct CompartmentView {
    /// The kind.
    pub kind: Kind,
    /// The fields.
    pub fields: Vec<String>,
    /// How often rolled.
    pub epoch: u64,
    /// Who may read.
    pub readers: Vec<Name>,
    /// Who may edit.
    pub editors: Vec<Name>,
}

/// How a grant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantState {
    /// Admitted.
    Active,
    /// Not admitted yet.
    Waiting,
    /// Revoked.
    Revoked,
    /// Over.
    Expired,
}

/// A grant as this org may know it.
#[derive(Debug, Clone)]
pub struct GrantView {
    /// Its id.
    pub id: GrantId,
    /// Who gave it.
    pub from: Name,
    /// Who may.
    pub to: Name,
    /// Whose section.
    pub section: Name,
    /// What.
    pub scope: Scope,
    /// How often it may be passed on.
    pub depth: u8,
    /// When it ends.
    pub expires_at: Option<Millis>,
    /// How it stands.
    pub state: GrantState,
    /// For whose node it waits.
    pub waiting_for: Option<Name>,
}

/// A grant to make.
#[derive(Debug, Clone)]
pub struct GrantOrder {
    /// The share.
    pub share: ShareId,
    /// To whom.
    pub to: OrgId,
    /// What.
    pub scope: Scope,
    /// For which records.
    pub selector: Option<Selector>,
    /// How often it may be passed on.
    pub depth: u8,
    /// When it ends.
    pub expires_at: Option<Millis>,
    /// Whose section, if not one's own.
    pub section: Option<OrgId>,
    /// Old values too.
    pub with_history: bool,
}

/// What would leave for one org.
#[derive(Debug, Clone)]
pub struct LeavingView {
    /// Whether nothing of this left before.
    pub first: bool,
    /// Who.
    pub org: Name,
    /// The kind.
    pub kind: Kind,
    /// The fields.
    pub fields: Vec<String>,
    /// How many records.
    pub records: u64,
    /// Whether it may edit.
    pub edit: bool,
    /// Whether it may keep.
    pub keep: bool,
    /// How often it may pass them on.
    pub depth: u8,
}

/// Why a record is held back.
#[derive(Debug, Clone)]
pub struct HeldBackView {
    /// The kind.
    pub kind: Kind,
    /// The record.
    pub record: RecordId,
    /// From whom; from everyone if not said.
    pub org: Option<Name>,
    /// Why, in words.
    pub reason: String,
}

/// What came of placing records.
#[derive(Debug, Clone, Default)]
pub struct Placed {
    /// How many were placed.
    pub published: u64,
    /// What was not.
    pub held_back: Vec<HeldBackView>,
    /// Where to go on, if there is more.
    pub next: Option<RecordId>,
}

/// How a partner is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartnerState {
    /// Paired.
    Paired,
    /// Waiting.
    Pending,
    /// Met through a share.
    Introduced,
    /// Paused.
    Paused,
}

/// A partner.
#[derive(Debug, Clone)]
pub struct PartnerView {
    /// Who.
    pub org: Name,
    /// Its name here.
    pub alias: String,
    /// How it is known.
    pub state: PartnerState,
    /// The verification code.
    pub code: Option<String>,
    /// Whether compared.
    pub confirmed: bool,
    /// Whether there is a connection.
    pub connected: bool,
    /// When both were last in step.
    pub last_sync: Option<Millis>,
    /// How much it has not confirmed.
    pub unsent: u64,
    /// Who brought the two together.
    pub met_through: Option<Name>,
}

/// A consent to note.
#[derive(Debug, Clone)]
pub struct ConsentOrder {
    /// To what; everything if not said.
    pub purpose: Option<String>,
    /// For whom; all if empty.
    pub scope: Vec<OrgId>,
    /// Until when.
    pub expires_at: Option<Millis>,
    /// Where to look it up.
    pub evidence: Option<String>,
    /// The legal ground.
    pub basis: Option<String>,
}

/// What it holds and owes.
#[derive(Debug, Clone, Default)]
pub struct StatusView {
    /// Bytes on disk.
    pub store_bytes: u64,
    /// Own and received records.
    pub records: u64,
    /// Things that wait for a decision.
    pub inbox: u64,
    /// Received and waiting for something missing.
    pub parked: u64,
}

/// What came of adding participations: each with its customer, and what was held back.
pub type Added = (Vec<(RecordId, Option<RecordId>)>, Vec<HeldBackView>);

/// The store of a node.
#[derive(Debug, Default)]
pub struct NodeStore;

/// The state of a node.
#[derive(Debug)]
pub struct Replica<S> {
    me: Name,
    node: PublicKey,
    records: BTreeMap<(u8, RecordId), (Fields, Millis)>,
    _store: S,
}

type Answer<T> = Result<T, Refusal>;

impl<S> Replica<S> {
    pub fn me(&self) -> &Name {
        &self.me
    }
    pub fn node_key(&self) -> PublicKey {
        self.node
    }
    pub fn now(&self) -> Millis {
        now()
    }
    pub fn create(&mut self, kind: Kind, fields: Fields) -> Answer<RecordId> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| Refusal::Stopped)?;
        self.records.insert((kind as u8, RecordId(id)), (fields, now()));
        Ok(RecordId(id))
    }
    pub fn edit(&mut self, at: &RecordAddress, edits: Vec<Edit>) -> Answer<()> {
        let (fields, updated) =
            self.records.get_mut(&(at.kind as u8, at.record)).ok_or(Refusal::Stopped)?;
        for edit in edits {
            match edit {
                Edit::Set(name, value) => fields.insert(name, value),
                Edit::Clear(name) => fields.remove(&name),
            };
        }
        *updated = now();
        Ok(())
    }
    pub fn delete(&mut self, at: &RecordAddress) -> Answer<()> {
        self.records.remove(&(at.kind as u8, at.record));
        Ok(())
    }
    pub fn record(&self, name: &str, kind: Option<Kind>) -> Answer<RecordView> {
        let fits: Vec<_> = self
            .records
            .keys()
            .filter_map(|(k, id)| Some((Kind::ALL.into_iter().find(|x| *x as u8 == *k)?, *id)))
            .filter(|(k, id)| kind.is_none_or(|kind| kind == *k) && k.id_text(id).starts_with(name))
            .collect();
        match fits.as_slice() {
            [] => {
                Err(Refusal::Unknown { what: kind.map_or("record", Kind::name), name: name.into() })
            }
            [(kind, id)] => Ok(self.view(*kind, *id)),
            many => Err(Refusal::Ambiguous {
                name: name.into(),
                matches: many.iter().take(3).map(|(k, id)| k.id_text(id)).collect(),
            }),
        }
    }
    fn view(&self, kind: Kind, record: RecordId) -> RecordView {
        let (fields, updated_at) = &self.records[&(kind as u8, record)];
        RecordView {
            address: RecordAddress { kind, share: None, section: self.me.org, record },
            section: self.me.clone(),
            fields: fields.iter().map(|(k, v)| (k.clone(), Some(v.clone()))).collect(),
            withheld: vec![],
            unmapped: vec![],
            conflicts: vec![],
            updated_at: *updated_at,
            updated_by: self.me.clone(),
        }
    }
    pub fn list(&self, kind: Kind, query: &ListQuery) -> Answer<Page<RecordView>> {
        let mut items: Vec<RecordView> = Vec::new();
        for ((k, id), (fields, _)) in &self.records {
            let fits = query.selector.as_ref().is_none_or(|s| s.fits(kind, fields));
            let past = query
                .after
                .as_ref()
                .and_then(|after| Kind::parse_id(after))
                .is_none_or(|(_, after)| *id > after);
            if *k == kind as u8 && fits && past && query.from != From::Partners {
                if items.len() == query.limit {
                    let last = items.last().map(|v| kind.id_text(&v.address.record));
                    return Ok(Page { items, next: last });
                }
                items.push(self.view(kind, *id));
            }
        }
        Ok(Page { items, next: None })
    }
    pub fn history(&self, _: &RecordAddress, _: Option<&str>) -> Answer<Vec<ChangeView>> {
        Err(Refusal::NotBuiltYet("history"))
    }
    pub fn undo(&mut self, _: &RecordAddress, _: &str) -> Answer<()> {
        Err(Refusal::NotBuiltYet("undo"))
    }
    pub fn conflicts(&self, _: Kind) -> Answer<Vec<(RecordAddress, ConflictView)>> {
        Ok(vec![])
    }
    pub fn resolve(&mut self, _: &RecordAddress, _: &str, _: usize) -> Answer<()> {
        Err(Refusal::NotBuiltYet("resolve"))
    }
    pub fn roster(&self, _: &RecordAddress) -> Answer<Vec<RosterRow>> {
        Ok(vec![])
    }
    pub fn participation_add(
        &mut self,
        _event: &RecordAddress,
        _customers: &[RecordId],
        _staff: &[String],
        _status: &str,
        _role: Option<&str>,
    ) -> Answer<Added> {
        Err(Refusal::NotBuiltYet("participation add"))
    }
    pub fn preview_participations(
        &self,
        _event: &RecordAddress,
        _customers: &[RecordId],
        _staff: usize,
    ) -> Answer<(Vec<LeavingView>, Vec<HeldBackView>)> {
        Err(Refusal::NotBuiltYet("participation add --dry-run"))
    }
    pub fn open_share(
        &mut self,
        _name: &str,
        _purpose: &str,
        _ends_at: Option<Millis>,
        _event: Option<RecordId>,
    ) -> Answer<ShareId> {
        Err(Refusal::NotBuiltYet("share open"))
    }
    pub fn shares(&self) -> Answer<Vec<ShareView>> {
        Ok(vec![])
    }
    pub fn share(&self, name: &str) -> Answer<ShareView> {
        Err(Refusal::Unknown { what: "share", name: name.into() })
    }
    pub fn place(&mut self, _: ShareId, _: &[RecordId]) -> Answer<Placed> {
        Err(Refusal::NotBuiltYet("share add"))
    }
    pub fn place_where(
        &mut self,
        _share: ShareId,
        _kind: Kind,
        _selector: Option<&Selector>,
        _live: bool,
        _after: Option<RecordId>,
        _limit: usize,
    ) -> Answer<Placed> {
        Err(Refusal::NotBuiltYet("share add --kind"))
    }
    pub fn count(&self, kind: Kind, selector: Option<&Selector>) -> Answer<u64> {
        let fits = self.records.iter().filter(|((k, _), (fields, _))| {
            *k == kind as u8 && selector.is_none_or(|s| s.fits(kind, fields))
        });
        Ok(fits.count() as u64)
    }
    pub fn preview_place(
        &self,
        _: ShareId,
        _: &[RecordId],
        _: Option<(Kind, Option<&Selector>)>,
    ) -> Answer<(Vec<LeavingView>, Vec<HeldBackView>)> {
        Err(Refusal::NotBuiltYet("share add --dry-run"))
    }
    pub fn withdraw(&mut self, _: ShareId, _: &[RecordId]) -> Answer<u64> {
        Err(Refusal::NotBuiltYet("share remove"))
    }
    pub fn grant(&mut self, _: &GrantOrder) -> Answer<GrantView> {
        Err(Refusal::NotBuiltYet("share grant"))
    }
    pub fn preview_grant(&self, _: &GrantOrder) -> Answer<(Vec<LeavingView>, Vec<HeldBackView>)> {
        Err(Refusal::NotBuiltYet("share grant --dry-run"))
    }
    pub fn invite(&mut self, _expires_at: Millis, _confirm_first: bool) -> Answer<String> {
        Err(Refusal::NotBuiltYet("partner invite"))
    }
    pub fn accept(&mut self, _line: &str) -> Answer<OrgId> {
        Err(Refusal::NotBuiltYet("partner accept"))
    }
    pub fn partners(&self) -> Answer<Vec<PartnerView>> {
        Ok(vec![])
    }
    pub fn partner(&self, name: &str) -> Answer<PartnerView> {
        Err(Refusal::Unknown { what: "partner", name: name.into() })
    }
    pub fn confirm(&mut self, _: &OrgId) -> Answer<()> {
        Err(Refusal::NotBuiltYet("partner confirm"))
    }
    pub fn pause(&mut self, _: &OrgId) -> Answer<()> {
        Err(Refusal::NotBuiltYet("partner pause"))
    }
    pub fn resume(&mut self, _: &OrgId) -> Answer<()> {
        Err(Refusal::NotBuiltYet("partner resume"))
    }
    pub fn remove(&mut self, _: &OrgId) -> Answer<()> {
        Err(Refusal::NotBuiltYet("partner remove"))
    }
    pub fn alias(&mut self, _: &OrgId, _: &str) -> Answer<()> {
        Err(Refusal::NotBuiltYet("partner alias"))
    }
    pub fn consent_give(&mut self, _: &RecordAddress, _: &ConsentOrder) -> Answer<bool> {
        Err(Refusal::NotBuiltYet("customer consent give"))
    }
    pub fn consent_withdraw(&mut self, _: &RecordAddress, _: &ConsentOrder) -> Answer<()> {
        Err(Refusal::NotBuiltYet("customer consent withdraw"))
    }
    pub fn status(&self) -> Answer<StatusView> {
        Ok(StatusView { records: self.records.len() as u64, ..StatusView::default() })
    }
    /// Partners that have not confirmed everything, paused ones left out.
    pub fn synced(&self, _partner: Option<&OrgId>) -> Answer<Vec<PartnerView>> {
        Ok(vec![])
    }
}

type Job = Box<dyn FnOnce(&mut Replica<NodeStore>) + Send>;

/// The way to the thread that owns the replica.
#[derive(Debug, Clone)]
pub struct EngineHandle(mpsc::Sender<Job>);

impl EngineHandle {
    /// Starts a thread with an empty replica.
    pub fn start(org: OrgId, name: &str, node: PublicKey) -> Self {
        let (sender, jobs) = mpsc::channel::<Job>();
        let me = Name { org, name: name.into() };
        let mut replica = Replica { me, node, records: BTreeMap::new(), _store: NodeStore };
        std::thread::spawn(move || {
            for job in jobs {
                job(&mut replica);
            }
        });
        Self(sender)
    }

    /// Runs a closure on the engine thread; answers after its writes are durable.
    pub async fn call<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: FnOnce(&mut Replica<NodeStore>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: std::convert::From<Refusal> + Send + 'static,
    {
        let (sender, answer) = tokio::sync::oneshot::channel();
        let run: Job = Box::new(move |replica| {
            let _ = sender.send(job(replica));
        });
        self.0.send(run).map_err(|_| Refusal::Stopped)?;
        answer.await.map_err(|_| Refusal::Stopped)?
    }

    /// Round trip to a partner, in ms.
    pub async fn ping(&self, _: OrgId) -> Result<u64, Refusal> {
        Err(Refusal::NotBuiltYet("partner ping"))
    }

    /// Where the node listens.
    pub fn listen(&self) -> Vec<String> {
        vec![]
    }

    /// Writes everything the store holds, one JSON line each; blocks.
    pub fn dump(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"")
    }
}

fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as Millis)
}
