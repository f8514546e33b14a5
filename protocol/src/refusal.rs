//! Why a request cannot be met: one enum, with a code for programs, a sentence for people and a
//! hint on what to do.

use thiserror::Error;

use crate::codec::CodecError;
use crate::grant::ChainError;
use crate::id::{OrgId, PublicKey};
use crate::store::StoreError;
use crate::vocabulary::{Kind, ValueError};

/// A request that was refused; nothing of it was done.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The store failed. The node must stop: memory and store may differ now.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Own data that cannot be read back.
    #[error("stored data is damaged: {0}")]
    Damaged(&'static str),
    /// Own data that cannot be decoded.
    #[error("stored data is damaged")]
    Codec(#[from] CodecError),
    /// The store belongs to another node.
    #[error("this data directory belongs to another node")]
    ForeignStore,
    /// Nothing has this id.
    #[error("no {what} `{text}`")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// What was asked.
        text: String,
    },
    /// The text fits more than one.
    #[error("`{text}` fits {count} of them")]
    Ambiguous {
        /// What was asked.
        text: String,
        /// How many it fits.
        count: usize,
    },
    /// A value does not fit its field.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A grant chain does not allow it.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Not granted.
    #[error("{org} has not allowed you to change {what}")]
    NotAllowed {
        /// Whose record.
        org: String,
        /// What.
        what: String,
    },
    /// Its owner has ended the compartment and the next one is not here yet.
    #[error("{what} is being moved by its owner")]
    Moving {
        /// What.
        what: String,
    },
    /// What every other node would refuse is not written.
    #[error("no company would take this change from yours any more")]
    NotTaken,
    /// Fields that never leave.
    #[error("`{field}` of {kind} is internal and never leaves this node")]
    Internal {
        /// The kind.
        kind: Kind,
        /// The field.
        field: String,
    },
    /// Only own records can be placed.
    #[error("`{text}` was received from a partner; only own records can be placed")]
    NotOwn {
        /// The record.
        text: String,
    },
    /// Only what was received can be adopted.
    #[error("`{text}` is your own record already")]
    OwnAlready {
        /// The record.
        text: String,
    },
    /// No right to keep a copy.
    #[error("{org} has not allowed you to keep a copy of `{text}`")]
    MayNotKeep {
        /// Whose record it is.
        org: String,
        /// The record.
        text: String,
    },
    /// Only the company whose customer it is can have it forgotten.
    #[error("`{text}` is not your own customer")]
    NotYours {
        /// The record.
        text: String,
    },
    /// No right to contribute to the share.
    #[error("no one has allowed you to add {kind} records to this share")]
    MayNotContribute {
        /// The kind.
        kind: Kind,
    },
    /// Of what is passed on, the publisher alone says for which records and from when on.
    #[error("only {org} can say {what}")]
    Publishers {
        /// Whose records they are.
        org: String,
        /// What.
        what: &'static str,
    },
    /// A grant of what its receiver has anyway.
    #[error("{org} needs no grant for that: it is its own part of the share, or its own share")]
    MayAlready {
        /// Who.
        org: String,
    },
    /// Somebody else's share.
    #[error("{org} opened this share; only it can close it")]
    NotOpener {
        /// Who opened it.
        org: String,
    },
    /// One's own share.
    #[error("you opened this share and cannot leave it to the others")]
    IsOpener,
    /// The share is over.
    #[error("this share has ended")]
    ShareEnded,
    /// An invite that cannot be used.
    #[error("this invite cannot be used: {why}")]
    Invite {
        /// Why.
        why: &'static str,
    },
    /// A selector that cannot be read.
    #[error("`{text}` is not a selection: {why}")]
    Selector {
        /// What was asked.
        text: String,
        /// Why not.
        why: &'static str,
    },
    /// Only the org's first node decides what is shared.
    #[error("only your organisation's main node may do this{}", named(.steward))]
    NotSteward {
        /// Which node that is.
        steward: Option<PublicKey>,
    },
    /// The node was ended by its org.
    #[error("this node was retired by your organisation")]
    NodeRetired,
    /// The node has to hear first what it has missed.
    #[error("this node has still to hear from {org}{} what it has missed", and_others(*.others))]
    Behind {
        /// Whom it waits for first.
        org: String,
        /// How many others.
        others: usize,
    },
    /// Own org given where another is needed.
    #[error("that is your own organisation")]
    Oneself(OrgId),
    /// Granted to an org that is no partner.
    #[error("{org} is not one of your partners")]
    NotPartner {
        /// Its name, or its id.
        org: String,
    },
    /// An edit that cannot be made.
    #[error("the change cannot be made: {0}")]
    Edit(#[from] crate::facet::EditError),
    /// A list is too long or empty.
    #[error("{what} must be between {min} and {max}")]
    Range {
        /// What.
        what: &'static str,
        /// At least.
        min: u64,
        /// At most.
        max: u64,
    },
}

fn named(steward: &Option<PublicKey>) -> String {
    steward.map_or_else(String::new, |node| format!(": {}", node.peer_text()))
}

fn and_others(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" and {others} others") }
}

/// Which kind of answer a refusal is; the shell maps it to HTTP status and exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalClass {
    /// Our fault.
    Fault,
    /// The request cannot be met.
    Request,
    /// The request is malformed.
    Usage,
    /// There is no such thing.
    Missing,
    /// Refused by a permission or by consent.
    Permission,
}

impl Refusal {
    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Store(_) => "store_failed",
            Refusal::Damaged(_) | Refusal::Codec(_) => "store_damaged",
            Refusal::ForeignStore => "foreign_store",
            Refusal::NotFound { .. } => "not_found",
            Refusal::Ambiguous { .. } => "ambiguous",
            Refusal::Value(ValueError::Unknown { .. } | ValueError::CustomName { .. }) => {
                "unknown_field"
            }
            Refusal::Value(ValueError::Field { .. }) => "bad_value",
            Refusal::Chain(error) => error.code(),
            Refusal::NotAllowed { .. } => "not_allowed",
            Refusal::Moving { .. } => "moving",
            Refusal::NotTaken => "not_taken",
            Refusal::Internal { .. } => "internal_field",
            Refusal::NotOwn { .. } => "not_own",
            Refusal::OwnAlready { .. } => "own_already",
            Refusal::MayNotKeep { .. } => "may_not_keep",
            Refusal::NotYours { .. } => "not_yours",
            Refusal::MayNotContribute { .. } => "may_not_contribute",
            Refusal::Publishers { .. } => "publishers_choice",
            Refusal::MayAlready { .. } => "may_already",
            Refusal::NotOpener { .. } => "not_opener",
            Refusal::IsOpener => "is_opener",
            Refusal::ShareEnded => "share_ended",
            Refusal::Invite { .. } => "invite",
            Refusal::Selector { .. } => "bad_selector",
            Refusal::NotSteward { .. } => "not_main_node",
            Refusal::NodeRetired => "node_retired",
            Refusal::Behind { .. } => "behind",
            Refusal::Oneself(_) => "oneself",
            Refusal::NotPartner { .. } => "not_partner",
            Refusal::Edit(_) => "bad_edit",
            Refusal::Range { .. } => "out_of_range",
        }
    }

    /// Which kind of answer this is.
    pub fn class(&self) -> RefusalClass {
        match self {
            Refusal::Store(_) | Refusal::Damaged(_) | Refusal::Codec(_) => RefusalClass::Fault,
            Refusal::NotFound { .. } => RefusalClass::Missing,
            Refusal::Value(_) | Refusal::Selector { .. } | Refusal::Range { .. } => {
                RefusalClass::Usage
            }
            Refusal::Chain(_)
            | Refusal::NotAllowed { .. }
            | Refusal::Internal { .. }
            | Refusal::NotOpener { .. }
            | Refusal::MayNotKeep { .. }
            | Refusal::MayNotContribute { .. } => RefusalClass::Permission,
            Refusal::ForeignStore
            | Refusal::Moving { .. }
            | Refusal::NotTaken
            | Refusal::Ambiguous { .. }
            | Refusal::NotOwn { .. }
            | Refusal::Publishers { .. }
            | Refusal::OwnAlready { .. }
            | Refusal::NotYours { .. }
            | Refusal::MayAlready { .. }
            | Refusal::IsOpener
            | Refusal::ShareEnded
            | Refusal::Invite { .. }
            | Refusal::NotSteward { .. }
            | Refusal::NodeRetired
            | Refusal::Behind { .. }
            | Refusal::Oneself(_)
            | Refusal::NotPartner { .. }
            | Refusal::Edit(_) => RefusalClass::Request,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Refusal::Store(_) | Refusal::Damaged(_) | Refusal::Codec(_) => {
                Some("run `entente doctor`")
            }
            Refusal::ForeignStore => Some("name the right directory with --data"),
            Refusal::NotFound { what, .. } => Some(where_to_look(what)),
            Refusal::Ambiguous { .. } => Some("give more of the id"),
            Refusal::NotAllowed { .. } => {
                Some("ask its owner for the right to edit; `entente share show` tells what you may")
            }
            Refusal::Internal { .. } => Some("leave that field out"),
            Refusal::NotOwn { .. } => Some(
                "to hand a received record on, pass on the grant: `entente share grant … --section`",
            ),
            Refusal::Publishers { .. } => Some("leave it out, and ask them"),
            Refusal::MayNotKeep { .. } => {
                Some("ask for a grant with `--keep`; without one it can be read and not copied")
            }
            Refusal::NotYours { .. } => {
                Some("ask the company it came from to erase it; your node will then do the same")
            }
            Refusal::MayNotContribute { .. } => {
                Some("ask the share's opener, or whoever brought you in, for `--contribute`")
            }
            Refusal::MayAlready { .. } => {
                Some("let it see or edit fields of your part: `entente share grant … --kind`")
            }
            Refusal::NotOpener { .. } => {
                Some("`entente share leave` takes out what is yours and ends what you granted")
            }
            Refusal::IsOpener => Some("`entente share close` ends it for everybody"),
            Refusal::Moving { .. } => Some("try again when everything has been received"),
            Refusal::NotTaken => {
                Some("have its owner take the record out of the share and add it again")
            }
            Refusal::Invite { .. } => {
                Some("ask your partner for a new line: `entente partner invite`")
            }
            Refusal::NotPartner { .. } => Some(
                "pair with it first: `entente partner invite`; or let a partner of both pass on a grant",
            ),
            Refusal::Selector { .. } => Some("write field=value, several separated by commas"),
            Refusal::NotSteward { .. } => Some(
                "do it on the main node; `entente node list` shows it, `entente node certify --main` makes another one it",
            ),
            Refusal::NodeRetired => Some("work on another node of your organisation"),
            Refusal::Behind { .. } => {
                Some("it goes on by itself when it has; `entente node go-on` goes on without")
            }
            Refusal::ShareEnded => {
                Some("an ended share stays ended; `entente share open` opens another")
            }
            Refusal::Oneself(_) => Some("`entente partner list` shows the others"),
            Refusal::OwnAlready { .. } => Some("use it as it is"),
            Refusal::Value(_) | Refusal::Chain(_) | Refusal::Edit(_) | Refusal::Range { .. } => {
                None
            }
        }
    }
}

/// Which command shows what there is of something that was not found.
fn where_to_look(what: &str) -> &'static str {
    match what {
        "grant" => "`entente share show` lists the grants of a share",
        "share" => "`entente share list` shows those you know",
        "partner" => "`entente partner list` shows them",
        "field" | "field of that type" => "`entente fields` lists them",
        "change" => "the `history` verb of that noun shows the changes of a record",
        "conflict in" => "the `conflicts` verb of that noun shows them",
        "offer of" | "rejected change of" => "`entente inbox` shows what waits",
        _ => "the `list` verb of that noun shows what there is",
    }
}
