//! The rules for one scope and for one hand-over, each a plain function of what it judges.
//! Knows no index, no chain beyond the link above, and no clock.

use super::GrantInfo;
use super::error::LinkError;
use crate::id::OrgId;
use crate::identity::org_id;
use crate::mutation::{Law, broken};
use crate::statement::{Party, Scope};
use crate::time::Millis;
use crate::vocabulary::{self, Class, Kind};

pub(super) fn require<E>(holds: bool, error: E) -> Result<(), E> {
    if holds { Ok(()) } else { Err(error) }
}

/// A link without an end of its own ends with those above it, so the earliest end is the end.
pub(super) fn effective_expiry(chain: &[&GrantInfo]) -> Option<Millis> {
    chain.iter().filter_map(|link| link.expires_at).min()
}

pub(super) fn party_check(to: &Party, author: &OrgId, section: &OrgId) -> Result<(), LinkError> {
    require(to.org == org_id(&to.root, &to.successor), LinkError::Party)?;
    require(to.org != *author, LinkError::ToSelf)?;
    require(to.org != *section, LinkError::ToPublisher)
}

/// What holds of a scope whoever signs it: for the one who signs the root of a chain.
pub fn scope_check(scope: &Scope) -> Result<(), LinkError> {
    match scope {
        Scope::Fields { kind, fields, edit: _, keep: _ } => {
            require(!fields.is_empty() && fields.is_sorted_by(|a, b| a < b), LinkError::List)?;
            let has = |name: &str| fields.iter().any(|field| field == name);
            for field in fields {
                match vocabulary::field(*kind, field).map(|known| known.class) {
                    Some(Class::S5) if !broken(Law::Internal) => {
                        return Err(LinkError::Internal(field.clone()));
                    }
                    Some(Class::S3) if *kind == Kind::Customer => require(
                        has("consent") && has("do_not_contact"),
                        LinkError::NeedsConsent(field.clone()),
                    )?,
                    // A field that only a newer vocabulary knows is as good as any: what counts
                    // must not depend on the software's age.
                    Some(_) | None => {}
                }
            }
            Ok(())
        }
        Scope::Contribute { kinds } => {
            require(!kinds.is_empty() && kinds.is_sorted_by(|a, b| a < b), LinkError::List)
        }
    }
}

pub(super) fn handover_check(parent: &GrantInfo, child: &GrantInfo) -> Result<(), LinkError> {
    require(child.author == parent.to.org, LinkError::Issuer)?;
    require(child.share == parent.share, LinkError::Share)?;
    require(child.section == parent.section, LinkError::Section)
}

/// Rights, fields, depth and time only shrink. `ends` is the earliest end above.
pub(super) fn narrower_check(
    parent: &GrantInfo,
    ends: Option<Millis>,
    scope: &Scope,
    depth: u8,
    expires_at: Option<Millis>,
) -> Result<(), LinkError> {
    match (&parent.scope, scope) {
        (
            Scope::Fields { kind, fields, edit, keep },
            Scope::Fields { kind: own_kind, fields: own, edit: own_edit, keep: own_keep },
        ) => {
            require(own_kind == kind, LinkError::Kind)?;
            for field in own {
                let inside = fields.binary_search(field).is_ok() || broken(Law::Fields);
                require(inside, LinkError::WiderFields(field.clone()))?;
            }
            require(*edit || !own_edit || broken(Law::Edit), LinkError::WiderEdit)?;
            require(*keep || !own_keep, LinkError::WiderKeep)?;
        }
        (Scope::Contribute { kinds }, Scope::Contribute { kinds: own }) => {
            for kind in own {
                require(kinds.contains(kind), LinkError::WiderKinds(*kind))?;
            }
        }
        (Scope::Fields { .. }, Scope::Contribute { .. })
        | (Scope::Contribute { .. }, Scope::Fields { .. }) => return Err(LinkError::Mixed),
    }
    require(parent.depth > 0 || broken(Law::Depth), LinkError::NotPassable)?;
    require(depth < parent.depth || broken(Law::Depth), LinkError::WiderDepth)?;
    match (ends, expires_at) {
        (Some(above), Some(own)) => require(own <= above, LinkError::LaterExpiry),
        (Some(_), None) | (None, Some(_) | None) => Ok(()),
    }
}
