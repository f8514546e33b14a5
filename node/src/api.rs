//! Every request and response of the HTTP API, shared with the command line: the shapes that
//! scripts rely on. Knows nothing of stores, replicas or networks.

pub mod customer;
pub mod node;
pub mod partner;
pub mod problem;
pub mod record;
pub mod share;

use entente_protocol::vocabulary::Kind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where the API begins.
pub const ROOT: &str = "/api/v1";
/// The media type of answers that report progress: JSON lines, the last of them the result.
pub const PROGRESS_TYPE: &str = "application/x-ndjson";
/// How many items a list gives when nothing else is asked for.
pub const DEFAULT_LIMIT: usize = 100;

/// The kinds of record with the noun that URLs use for many of them.
pub const COLLECTIONS: [(Kind, &str, &str); 5] = [
    (Kind::Event, "event", "events"),
    (Kind::Customer, "customer", "customers"),
    (Kind::Participation, "participation", "participations"),
    (Kind::Interaction, "interaction", "interactions"),
    (Kind::Followup, "followup", "followups"),
];

/// The URL noun of a kind: `events`.
pub fn collection(kind: Kind) -> &'static str {
    COLLECTIONS[kind as usize].2
}

/// The noun of a kind: `event`.
pub fn noun(kind: Kind) -> &'static str {
    COLLECTIONS[kind as usize].1
}

/// The kind whose noun, for one or for many, this is.
pub fn kind_of(noun: &str) -> Option<Kind> {
    COLLECTIONS.iter().find(|(_, one, many)| *one == noun || *many == noun).map(|row| row.0)
}

/// A company, as answers name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Org {
    /// Its id.
    #[schema(example = "org_…")]
    pub org: String,
    /// What it calls itself.
    pub name: String,
}

/// The id of what was just made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Made {
    /// Its id.
    pub id: String,
}

/// An answer without content: the request was carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Done {}

/// One line of an answer that reports progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step<T> {
    /// How far the work has come.
    Progress {
        /// Items finished.
        done: u64,
        /// Items in all, if known.
        total: Option<u64>,
    },
    /// The last line: what the plain request would have answered.
    Result(T),
    /// The last line when the work could not go on.
    Problem(problem::ProblemBody),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_stands_at_its_own_place_in_the_table_of_nouns() {
        for (kind, one, many) in COLLECTIONS {
            assert_eq!((noun(kind), collection(kind)), (one, many));
            assert_eq!((kind_of(one), kind_of(many)), (Some(kind), Some(kind)));
        }
        assert_eq!(kind_of("shares"), None);
    }
}
