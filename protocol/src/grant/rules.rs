//! The rules for one scope and for one hand-over, each a plain function of what it judges.
//! Knows no index, no chain beyond the link above, and no clock.

use super::error::LinkError;
use super::{GrantInfo, org_id};
use crate::id::OrgId;
use crate::statement::{Party, Scope};
use crate::time::Millis;
use crate::vocabulary::Kind;

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
                match sensitivity(*kind, field) {
                    None => return Err(LinkError::Unknown(field.clone())),
                    Some(5) => return Err(LinkError::Internal(field.clone())),
                    Some(3) if *kind == Kind::Customer => require(
                        has("consent") && has("do_not_contact"),
                        LinkError::NeedsConsent(field.clone()),
                    )?,
                    Some(_) => {}
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
                let inside = fields.binary_search(field).is_ok();
                require(inside, LinkError::WiderFields(field.clone()))?;
            }
            require(*edit || !own_edit, LinkError::WiderEdit)?;
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
    require(parent.depth > 0, LinkError::NotPassable)?;
    require(depth < parent.depth, LinkError::WiderDepth)?;
    match (ends, expires_at) {
        (Some(above), Some(own)) => require(own <= above, LinkError::LaterExpiry),
        (Some(_), None) | (None, Some(_) | None) => Ok(()),
    }
}

/// The sensitivity class of a shared field, 0 to 5; `None` for custom and unknown names.
fn sensitivity(kind: Kind, field: &str) -> Option<u8> {
    let (open, reach, internal): (&[&str], &[&str], &[&str]) = match kind {
        Kind::Event => (
            &[
                "title",
                "summary",
                "kind",
                "status",
                "starts_at",
                "ends_at",
                "timezone",
                "venue",
                "address",
                "region",
                "online_url",
                "organiser",
                "co_organisers",
                "capacity",
                "registration_url",
                "language",
                "audience_brief",
                "target_tags",
                "tags",
            ],
            &[],
            &["budget", "notes", "external_ids"],
        ),
        Kind::Customer => (
            &[
                "type",
                "name",
                "family_name",
                "given_name",
                "org_name",
                "org_legal_name",
                "org_code",
                "industry",
                "website",
                "title",
                "department",
                "region",
                "language",
                "gender",
                "birth_date",
                "age_band",
                "education",
                "interests",
                "lifecycle",
                "tags",
                "source",
                "consent",
                "do_not_contact",
            ],
            &["emails", "phones", "channels", "address"],
            &["owner_user", "remark", "external_ids"],
        ),
        Kind::Participation => (
            &[
                "event",
                "customer",
                "contributed_by",
                "via",
                "role",
                "status",
                "registered_at",
                "checked_in_at",
                "guests",
                "fit_reason",
                "answers",
                "staff_name",
            ],
            &["ticket"],
            &[],
        ),
        Kind::Interaction => (
            &[
                "customer",
                "event",
                "actor_org",
                "at",
                "channel",
                "direction",
                "type",
                "counts_to_cap",
                "outcome",
            ],
            &[],
            &["actor_user", "note"],
        ),
        Kind::Followup => (
            &[
                "customer",
                "event",
                "participation",
                "assigned_org",
                "stage",
                "due_at",
                "closed_at",
                "credit",
                "value_band",
            ],
            &[],
            &["value", "assignee", "lost_reason"],
        ),
    };
    // Below S3 the classes make no difference to grants.
    [(open, 0), (reach, 3), (internal, 5)]
        .into_iter()
        .find_map(|(names, class)| names.contains(&field).then_some(class))
}
