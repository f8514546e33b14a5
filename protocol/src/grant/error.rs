//! Why a grant does not allow something: the rule a link breaks, the reason a chain fails.
//! Reasons and their codes only; the rules themselves are in `rules.rs`.

use thiserror::Error;

use super::MAX_CHAIN;
use crate::id::{GrantId, ShareId};
use crate::vocabulary::Kind;

/// The rule that one link breaks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum LinkError {
    #[error("the receiver's id is not that of the keys it is named with")]
    Party,
    #[error("an org cannot grant to itself")]
    ToSelf,
    #[error("an org cannot be granted its own section")]
    ToPublisher,
    #[error("the grant names nothing, or names it out of order or twice")]
    List,
    #[error("`{0}` is internal and never leaves its org")]
    Internal(String),
    #[error("whoever may see `{0}` must also see `consent` and `do_not_contact`")]
    NeedsConsent(String),
    #[error("only the section's publisher may begin a chain of grants")]
    NotPublisher,
    #[error("only the share's opener may let others contribute")]
    NotOpener,
    #[error("it was signed by another org than the one that held the grant above")]
    Issuer,
    #[error("it is for another share than the grant above")]
    Share,
    #[error("it is for another section than the grant above")]
    Section,
    #[error("a right to contribute and a right to fields cannot stem from each other")]
    Mixed,
    #[error("it is for another kind of record than the grant above")]
    Kind,
    #[error("`{0}` is not in the grant above")]
    WiderFields(String),
    #[error("{0:?} may not be contributed under the grant above")]
    WiderKinds(Kind),
    #[error("the grant above does not allow changes")]
    WiderEdit,
    #[error("the grant above does not allow keeping a copy")]
    WiderKeep,
    #[error("the grant above may not be passed on")]
    NotPassable,
    #[error("it may be passed on as often as the grant above, or more often")]
    WiderDepth,
    #[error("it ends later than the grant above")]
    LaterExpiry,
}

/// Why a grant does not allow what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChainError {
    /// The grant, or one above it, has not come yet: worth asking for.
    #[error("the grant {0} is not known")]
    Missing(GrantId),
    /// The share's opening has not come yet: worth asking for.
    #[error("the opening of the share {0} is not known")]
    MissingShare(ShareId),
    /// More than [`MAX_CHAIN`] links.
    #[error("the grant was passed on more than {} times", MAX_CHAIN - 1)]
    TooLong,
    /// A link breaks a rule; `link` counts from the root, which is 0.
    #[error("hand-over {link}: {rule}")]
    Broken {
        /// The position of the link.
        link: usize,
        /// The rule.
        rule: LinkError,
    },
    /// This link was revoked.
    #[error("the grant {0} was revoked")]
    Revoked(GrantId),
    /// The share was closed by its opener.
    #[error("the share {0} was closed")]
    ShareClosed(ShareId),
    /// The share's end date has passed.
    #[error("the share {0} has ended")]
    ShareEnded(ShareId),
    /// This link has expired.
    #[error("the grant {0} has expired")]
    Expired(GrantId),
    /// The grant is for another share.
    #[error("the grant is for another share")]
    OtherShare,
    /// The grant is for another section.
    #[error("the grant is for another section")]
    OtherSection,
    /// The grant is for another kind of record.
    #[error("the grant is for another kind of record")]
    OtherKind,
    /// Nothing was asked for.
    #[error("no field was named")]
    NoField,
    /// A link does not name this field.
    #[error("`{0}` is not granted")]
    NotGranted(String),
    /// A link does not allow changes.
    #[error("the grant allows reading only")]
    ReadOnly,
    /// A right to contribute was asked about fields, or the other way round.
    #[error("the grant is of the other sort: fields, or a part of one's own")]
    OtherSort,
}

impl LinkError {
    /// A short name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            LinkError::Party => "party",
            LinkError::ToSelf => "to_self",
            LinkError::ToPublisher => "to_publisher",
            LinkError::List => "list",
            LinkError::Internal(_) => "internal_field",
            LinkError::NeedsConsent(_) => "needs_consent_fields",
            LinkError::NotPublisher => "not_publisher",
            LinkError::NotOpener => "not_opener",
            LinkError::Issuer => "issuer",
            LinkError::Share => "chain_share",
            LinkError::Section => "chain_section",
            LinkError::Mixed => "chain_mixed",
            LinkError::Kind => "chain_kind",
            LinkError::WiderFields(_) => "wider_fields",
            LinkError::WiderKinds(_) => "wider_kinds",
            LinkError::WiderEdit => "wider_edit",
            LinkError::WiderKeep => "wider_keep",
            LinkError::NotPassable => "not_passable",
            LinkError::WiderDepth => "wider_depth",
            LinkError::LaterExpiry => "later_expiry",
        }
    }
}

impl ChainError {
    /// A short name for programs; for a broken link that of its rule.
    pub fn code(&self) -> &'static str {
        match self {
            ChainError::Missing(_) => "missing",
            ChainError::MissingShare(_) => "missing_share",
            ChainError::TooLong => "too_long",
            ChainError::Broken { rule, .. } => rule.code(),
            ChainError::Revoked(_) => "revoked",
            ChainError::ShareClosed(_) => "share_closed",
            ChainError::ShareEnded(_) => "share_ended",
            ChainError::Expired(_) => "expired",
            ChainError::OtherShare => "other_share",
            ChainError::OtherSection => "other_section",
            ChainError::OtherKind => "other_kind",
            ChainError::NoField => "no_field",
            ChainError::NotGranted(_) => "not_granted",
            ChainError::ReadOnly => "read_only",
            ChainError::OtherSort => "other_sort",
        }
    }
}
