//! The nodes of this org: which there are, and what the root key has said of them.

use data_encoding::BASE64;
use entente_protocol::identity::Authority;
use entente_protocol::statement::Statement;

use super::problem::Problem;
use super::{Answer, Replica, shown, when};
use crate::api::own::{Introduction, Learn, OwnNode, OwnNodeState, WentOn};
use crate::engine::now;

const SIGNED: Problem = Problem::Shape("that was not signed by this company's root key");

/// Every node ever certified, the main node first.
pub fn list(replica: &mut Replica) -> Answer<Vec<OwnNode>> {
    let (org, me, now) = (replica.me().org, replica.node_key(), now());
    let directory = replica.directory();
    let main = directory.steward_of(&org).map(|(_, node)| node);
    let mut nodes: Vec<OwnNode> = directory
        .nodes_of(&org)
        .map(|node| OwnNode {
            node: shown::node_id(node),
            this: *node == me,
            main: Some(*node) == main,
            state: match directory.is_ended(&org, node) {
                true => OwnNodeState::Retired,
                false if directory.acts_for(&org, node, now) => OwnNodeState::Active,
                false => OwnNodeState::Expired,
            },
            expires_at: directory.expires_at(&org, node).map(when::show),
            connected: replica.is_connected(node),
        })
        .collect();
    nodes.sort_by_key(|node| (!node.main, node.state != OwnNodeState::Active));
    Ok(nodes)
}

/// What whoever holds the root key needs to know.
pub fn introduction(replica: &mut Replica) -> Answer<Introduction> {
    let org = replica.me().org;
    let directory = replica.directory();
    Ok(Introduction {
        term: directory.nodes_of(&org).filter_map(|n| directory.term(&org, n)).max().unwrap_or(0),
        root: directory.root_of(&org).map(|root| BASE64.encode(&root.0)).unwrap_or_default(),
        statements: replica.introduction().iter().map(|s| BASE64.encode(s.bytes())).collect(),
        keep: directory.to_keep(&org).iter().map(|id| BASE64.encode(&id.0)).collect(),
    })
}

/// Takes what the root key has signed.
pub fn learn(replica: &mut Replica, learn: &Learn) -> Answer<()> {
    let mut statements = Vec::new();
    for text in &learn.statements {
        let bytes = BASE64.decode(text.as_bytes()).map_err(|_| SIGNED)?;
        let statement = Statement::open(&bytes).map_err(|_| SIGNED)?;
        let own = statement.author() == replica.me().org;
        if !own || replica.directory().authority(&statement) != Authority::Holds {
            return Err(SIGNED);
        }
        statements.push(statement);
    }
    Ok(replica.learn(statements)?)
}

/// Does not wait any longer for those who may know more.
pub fn go_on(replica: &mut Replica) -> Answer<WentOn> {
    let without = replica.go_on()?;
    Ok(WentOn { without: without.iter().map(|org| shown::org(replica, org)).collect() })
}
