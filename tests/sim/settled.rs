//! What must hold when everybody has met everybody: readers see what the publisher's book holds,
//! replicas agree, and every row is what its bundles and its dossier make of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::bundle::Verified;
use crate::codec;
use crate::dossier::Opening;
use crate::fork::ForkProof;
use crate::id::{BundleId, CompartmentId, LogId};
use crate::identity::OrgKeys;
use crate::ingest::{FacetRow, LeafRef};
use crate::keys::{self, FacetKey};
use crate::receipt::ReceiptView;
use crate::replica::{Identity, Replica, Settings};
use crate::sign::SigningKey;
use crate::statement::{Body, Statement};
use crate::store::{MemoryStore, Store};
use crate::time::Hlc;
use crate::value::{Fields, Value};
use crate::view::ListQuery;
use crate::vocabulary::{self, FieldType};

use super::model::{Known, What};
use super::moves::{check_confirmed, check_moves};
use super::oracle::tokens_in;
use super::persons::Person;
use super::random::Sim;

type Rows = BTreeMap<FacetKey, FacetRow>;

/// Everything that must hold at rest.
pub fn check_settled(sim: &mut Sim) -> Result<(), String> {
    let honest = check_at_rest(sim)?;
    sim.oracle.check_logs(&sim.world, &sim.model)?;
    check_forks(sim, &honest)?;
    check_consents(sim)?;
    check_views(sim)?;
    check_previews(sim)?;
    check_told(sim)?;
    check_erased(sim)?;
    // A hostile org answers what it likes, and passes on to those below it what it likes.
    if sim.model.hostile.is_empty() {
        check_receipts(sim)?;
        check_erasures(sim)?;
        check_moves(sim)?;
    }
    let rows: Vec<Rows> =
        (0..sim.world.orgs.len()).map(|org| rows(sim.world.replica(org))).collect();
    check_agreement(sim, &rows)?;
    check_siblings(sim, &rows)?;
    for org in honest.iter().copied() {
        check_authors(sim, org, &rows[org])?;
        check_void(sim, org, &rows[org])?;
        check_rebuilt(sim.world.replica(org), &rows[org])
            .map_err(|what| format!("{what} at org {org}"))?;
    }
    let org = honest[sim.dice.below(honest.len())];
    check_shuffled(sim, org, &rows[org])
}

/// No honest node has written two things at one place of a log.
fn check_forks(sim: &Sim, nodes: &[usize]) -> Result<(), String> {
    let hostile: Vec<_> = sim.model.hostile.iter().map(|org| sim.world.id(*org)).collect();
    let ours = |fork: &ForkProof| !hostile.contains(&fork.first.author);
    let forked = |node: &&usize| sim.world.replica(**node).forks.values().any(ours);
    match nodes.iter().find(forked) {
        Some(node) => Err(format!("a log is forked at node {node}")),
        None => Ok(()),
    }
}

/// The honest nodes, none of which waits for anything.
fn check_at_rest(sim: &Sim) -> Result<Vec<usize>, String> {
    let honest: Vec<usize> =
        (0..sim.world.orgs.len()).filter(|node| !sim.is_hostile(*node)).collect();
    for org in honest.iter().copied() {
        let replica = sim.world.replica(org);
        check_confirmed(replica).map_err(|what| format!("{what} by node {org}"))?;
        let waits = sim.waits(replica);
        if !waits.is_empty() {
            return Err(format!("I2: org {org} waits for {waits:?}"));
        }
        let unmet = replica.has_to_meet();
        if !unmet.is_empty() {
            let parked: Vec<_> = replica.parked.values().map(|(_, said)| said.body()).collect();
            return Err(format!("node {org} has still to meet {unmet:?}; parked: {parked:?}"));
        }
    }
    Ok(honest)
}

/// The nodes of one org have the same book and the same desk.
fn check_siblings(sim: &Sim, rows: &[Rows]) -> Result<(), String> {
    let desk = |node: usize| -> Vec<(Vec<u8>, Vec<u8>)> {
        let store = &sim.world.replica(node).store;
        let of = |letter: &u8| store.scan(&[*letter], &[], usize::MAX).expect("memory");
        keys::DESK.iter().flat_map(of).collect()
    };
    let book = |node: usize| -> Vec<(&FacetKey, &FacetRow)> {
        rows[node].iter().filter(|(key, _)| key.share == keys::NO_SHARE).collect()
    };
    for org in 0..sim.orgs {
        for node in sim.world.nodes(org).into_iter().skip(1) {
            if book(org) != book(node) {
                return Err(format!("I2: nodes {org} and {node} have different books"));
            }
            if let Some((one, other)) =
                desk(org).iter().zip(&desk(node)).find(|(one, other)| one != other)
            {
                let letters = (char::from(one.0[0]), char::from(other.0[0]));
                return Err(format!("nodes {org} and {node} differ on the desk: {letters:?}"));
            }
        }
    }
    Ok(())
}

/// I9: whatever was entered about a consent, on whichever node, stands in the book.
fn check_consents(sim: &Sim) -> Result<(), String> {
    for (index, record) in sim.model.records.iter().enumerate().filter(|(_, r)| !r.deleted) {
        if sim.model.went_back.contains(&record.owner) || record.kind != vocabulary::Kind::Customer
        {
            continue;
        }
        let stands = Person::of(&sim.model, &sim.world, 0, index).words();
        if stands < record.consents.len() {
            let entered = record.consents.len();
            return Err(format!(
                "I9: of {entered} words on the consent of #{index} {stands} stand"
            ));
        }
    }
    Ok(())
}

/// Who reads a field sees the publisher's value; who does not, though it holds other grants, does
/// not see the field at all.
fn check_views(sim: &Sim) -> Result<(), String> {
    let (world, model) = (&sim.world, &sim.model);
    for owner in 0..sim.orgs {
        let known = Known::of(world.replica(world.main(owner)));
        for (index, record) in model.records.iter().enumerate() {
            if record.owner != owner {
                continue;
            }
            if model.hostile.contains(&owner) {
                continue;
            }
            for ((share, id), _) in model.names.iter().filter(|(_, named)| **named == index) {
                let book = model.book(world, *share, index);
                let readers = model.readers(world, &known, *share, index);
                let publishes = model.contributes(world, &known, *share, owner);
                let honest = |org: &usize| world.home(*org) != owner && !sim.is_hostile(*org);
                for org in (0..world.orgs.len()).filter(honest) {
                    let home = world.home(org);
                    let mine = readers.iter().filter(|g| model.grants[**g].to == home);
                    let granted: BTreeSet<&String> =
                        mine.flat_map(|g| fields_of(&model.grants[*g].what)).collect();
                    let view = world.sees(org, &model.shares[*share].id, record.kind, id);
                    let shown = view.map(|view| view.fields).unwrap_or_default();
                    let book = publishes.then_some(&book);
                    check_view(book, record.kind, &granted, &shown).map_err(|what| {
                        format!("I2: #{index} of org {owner} in share {share} at org {org}: {what}")
                    })?;
                }
            }
        }
    }
    Ok(())
}

/// What a publisher says that an org sees is what that org sees.
fn check_previews(sim: &Sim) -> Result<(), String> {
    let (world, model) = (&sim.world, &sim.model);
    let (orgs, nodes) = (sim.orgs, world.orgs.len());
    let honest = |org: &usize| !sim.is_hostile(*org);
    for (owner, org, share) in (0..orgs)
        .flat_map(|owner| (0..nodes).map(move |org| (owner, org)))
        .filter(|(owner, org)| *owner != world.home(*org) && honest(owner) && honest(org))
        .flat_map(|(owner, org)| (0..model.shares.len()).map(move |share| (owner, org, share)))
    {
        // Whose right to publish has ended brings nothing up to date any more.
        if !model.contributes(world, &Known::of(world.replica(world.main(owner))), share, owner) {
            continue;
        }
        let (id, section) = (&model.shares[share].id, world.id(owner));
        let told = world.replica(world.main(owner)).seen_by(id, &world.id(org), None, usize::MAX);
        let told = told.map_err(|e| e.to_string())?.into_iter().filter(|v| v.section == section);
        let mut seen = Vec::new();
        for kind in vocabulary::Kind::ALL {
            let list = world.replica(org).list(&ListQuery::of(kind)).map_err(|e| e.to_string())?;
            seen.extend(list.records);
        }
        seen.retain(|view| view.share == Some(*id) && view.section == section);
        if told.collect::<Vec<_>>() != seen {
            return Err(format!("org {owner} is wrong about what org {org} sees in share {share}"));
        }
    }
    Ok(())
}

/// Whoever stands in a chain knows what has ended in it.
fn check_told(sim: &Sim) -> Result<(), String> {
    let (world, model) = (&sim.world, &sim.model);
    let known: Vec<Known> = (0..sim.orgs).map(|o| Known::of(world.replica(o))).collect();
    let honest = |org: &usize| !model.hostile.contains(org);
    for (grant, last) in model.grants.iter().enumerate() {
        let chain = model.chain(grant);
        let issuers: Vec<usize> = chain.iter().map(|link| model.grants[*link].from).collect();
        let members = issuers.iter().copied().chain([last.to]).filter(honest);
        for org in members.filter(|org| known[*org].heard_of(last.id)) {
            let told = |by: &usize, link: &usize| {
                let (grant, author) = (&model.grants[*link].id, &world.id(*by));
                !known[*by].revoked_by(grant, author) || known[org].revoked_by(grant, author)
            };
            let mut by = issuers.iter().filter(|by| honest(by));
            if let Some(by) = by.find(|by| !chain.iter().all(|link| told(by, link))) {
                return Err(format!("I4: org {org} does not know what {by} ended above {grant}"));
            }
        }
    }
    Ok(())
}

fn fields_of(what: &What) -> impl Iterator<Item = &String> {
    let fields = match what {
        What::Fields { fields, .. } => Some(fields),
        What::Contribute => None,
    };
    fields.into_iter().flatten()
}

fn check_view(
    book: Option<&Fields>,
    kind: vocabulary::Kind,
    granted: &BTreeSet<&String>,
    shown: &BTreeMap<String, Option<Value>>,
) -> Result<(), String> {
    // Without a right to publish, what stands does not follow the book any more.
    for (field, book) in granted.iter().flat_map(|field| book.map(|book| (field, book))) {
        let Some(value) = shown.get(*field) else { return Err(format!("{field} is missing")) };
        // These travel in another form than they have in the book.
        let is_ref = vocabulary::field(kind, field)
            .is_some_and(|known| matches!(known.ty, FieldType::Ref(_)));
        if !is_ref && *field != "consent" && value.as_ref() != book.get(*field) {
            return Err(format!("{field} is {value:?}, in the book {:?}", book.get(*field)));
        }
    }
    match shown.keys().find(|field| !granted.contains(field)) {
        Some(field) => Err(format!("{field} is shown")),
        None => Ok(()),
    }
}

/// Of a record that was taken from an org, by its publisher or with the grant, no token is left on
/// its disk.
fn check_erased(sim: &Sim) -> Result<(), String> {
    let (world, model) = (&sim.world, &sim.model);
    let known: Vec<Known> =
        (0..sim.orgs).map(|o| Known::of(world.replica(world.main(o)))).collect();
    for org in (0..world.orgs.len()).filter(|node| !sim.is_hostile(*node)) {
        let found: BTreeSet<usize> = world.orgs[org]
            .disk
            .contents()
            .iter()
            .flat_map(|(key, value)| [tokens_in(key), tokens_in(value)].concat())
            .collect();
        for token in found {
            let super::model::Secret::Value { record, field, .. } = &model.secrets[token] else {
                continue;
            };
            let (owner, home) = (model.records[*record].owner, world.home(org));
            let own = owner == home
                && (!model.records[*record].deleted || model.went_back.contains(&home));
            if model.hostile.contains(&owner) || own {
                continue;
            }
            let reads = (0..model.shares.len()).any(|share| {
                let readers = model.readers(world, &known[owner], share, *record);
                readers.iter().any(|g| model.grants[*g].to == home && model.covers(*g, field))
            });
            if !reads && !model.may_keep(world, home, *record) {
                return Err(format!(
                    "I6: org {org} still holds {field} of #{record} of org {owner}"
                ));
            }
        }
    }
    Ok(())
}

/// Whoever was asked to erase what was forgotten has confirmed it.
fn check_erasures(sim: &Sim) -> Result<(), String> {
    for record in sim.model.forgotten.iter().map(|record| &sim.model.records[*record]) {
        let erasures = sim.world.replica(sim.world.main(record.owner)).erasures(&record.id);
        for one in erasures.map_err(|e| e.to_string())? {
            if one.done_at.is_none() {
                let owner = record.owner;
                return Err(format!("I6: {} has not confirmed an erasure of {owner}", one.org));
            }
        }
    }
    Ok(())
}

/// Whoever revoked a grant has the receipt of everybody below it.
fn check_receipts(sim: &Sim) -> Result<(), String> {
    let (world, model) = (&sim.world, &sim.model);
    for (index, grant) in model.grants.iter().enumerate() {
        let chain = model.chain(index);
        let root = model.grants[chain[0]].from;
        let share = &model.shares[grant.share];
        let known = Known::of(world.replica(world.main(root)));
        if share.opener == root && root != grant.to && model.closed(world, &known, grant.share) {
            let receipts =
                world.replica(world.main(root)).receipts(&share.id).map_err(|e| e.to_string())?;
            let given = |one: &ReceiptView| {
                one.grant.is_some_and(|grant| grant.0 == share.id.0)
                    && one.org == world.id(grant.to)
                    && one.done_at.is_some()
            };
            if !receipts.iter().any(given) {
                return Err(format!("I4: org {root} has no receipt of org {} for all", grant.to));
            }
        }
        for (depth, link) in chain.iter().enumerate() {
            let link = model.grants[*link].id;
            let issuers = chain[..=depth].iter().map(|above| model.grants[*above].from);
            for by in issuers.filter(|by| *by != grant.to) {
                let replica = world.replica(world.main(by));
                if !Known::of(replica).revoked_by(&link, &world.id(by)) {
                    continue;
                }
                let receipts =
                    replica.receipts(&model.shares[grant.share].id).map_err(|e| e.to_string())?;
                let given = receipts.iter().any(|one| {
                    (one.grant, one.author, one.org)
                        == (Some(link), world.id(by), world.id(grant.to))
                        && one.done_at.is_some()
                });
                if !given {
                    return Err(format!("I4: org {by} has no receipt of org {}", grant.to));
                }
            }
        }
    }
    Ok(())
}

fn rows(replica: &Replica) -> Rows {
    let mut rows = Rows::new();
    for (key, row) in replica.store.scan(b"F", &[], usize::MAX).expect("memory") {
        let key = FacetKey::parse(&key).expect("a facet key");
        let mut row: FacetRow = codec::own(&row).expect("a row");
        // What lies above a cut may be held or not; it never counts.
        row.leaves.retain(|leaf| {
            let log = replica.logs.get(&leaf.log);
            log.is_some_and(|state| leaf.seq < replica.counted_height(&leaf.log, state))
        });
        row.leaves.sort_by_key(place);
        rows.insert(key, row);
    }
    rows
}

fn place(leaf: &LeafRef) -> (LogId, u64, u16) {
    (leaf.log, leaf.seq, leaf.index)
}

/// Publisher and readers have the same dossier, logs and rows of every compartment.
fn check_agreement(sim: &Sim, rows: &[Rows]) -> Result<(), String> {
    let world = &sim.world;
    let honest = |org: &usize| !sim.is_hostile(*org);
    for owner in (0..sim.orgs).filter(honest) {
        let main = world.main(owner);
        let replica = world.replica(main);
        let known = Known::of(replica);
        // While a right to publish has ended nobody says how far what was written under it counts.
        let whole = |share: &crate::id::ShareId| {
            let found = sim.model.shares.iter().position(|at| at.id == *share);
            found.is_some_and(|share| sim.model.contributes(world, &known, share, owner))
        };
        let own = replica.dossiers.iter().filter(|(_, opening, dossier)| {
            opening.section == world.id(owner)
                && opening.share.as_ref().is_some_and(whole)
                && !dossier.retired()
        });
        for (id, _, _) in own {
            let mine = held(replica, id, &rows[main]);
            let readers = replica.access().readers(id, world.clock(main));
            let holds = |org: &usize| {
                honest(org)
                    && *org != main
                    && (world.home(*org) == owner || readers.contains(&world.id(*org)))
            };
            for org in (0..world.orgs.len()).filter(holds) {
                let theirs = held(world.replica(org), id, &rows[org]);
                for (what, same) in [
                    ("dossier", mine.0 == theirs.0),
                    ("logs", mine.1 == theirs.1),
                    ("rows", mine.2 == theirs.2),
                ] {
                    if !same {
                        return Err(format!(
                            "I2: orgs {owner} and {org} have different {what} of {id}\n{mine:?}\n{theirs:?}"
                        ));
                    }
                }
            }
        }
    }
    Ok(())
}

/// At any time: two honest orgs with the same dossier and bundles of a compartment have the same
/// rows of it.
pub fn check_same(sim: &Sim) -> Result<(), String> {
    let honest = |org: &usize| !sim.is_hostile(*org) && sim.world.is_up(*org);
    let orgs: Vec<usize> = (0..sim.world.orgs.len()).filter(honest).collect();
    for org in &orgs {
        check_confirmed(sim.world.replica(*org)).map_err(|what| format!("{what} by node {org}"))?;
    }
    let rows: Vec<Rows> = orgs.iter().map(|org| rows(sim.world.replica(*org))).collect();
    let all: Vec<(&Replica, &Rows)> =
        orgs.iter().map(|org| sim.world.replica(*org)).zip(&rows).collect();
    for (at, (one, one_rows)) in all.iter().enumerate() {
        for (other, other_rows) in &all[at + 1..] {
            for (id, _, _) in one.dossiers.iter().filter(|(_, opening, _)| opening.share.is_some())
            {
                let (mine, theirs) = (held(one, id, one_rows), held(other, id, other_rows));
                if (&mine.0, &mine.1) == (&theirs.0, &theirs.1) && mine.2 != theirs.2 {
                    let (one, other) = (&one.me().name, &other.me().name);
                    return Err(format!(
                        "I2: {one} and {other} know the same of {id}\n{mine:?}\n{theirs:?}"
                    ));
                }
            }
        }
    }
    Ok(())
}

/// What decides in a compartment, how far each log counts and up to which bundle, and the rows.
type Held<'a> = (
    BTreeSet<crate::id::StatementId>,
    Vec<(LogId, u64, BundleId)>,
    Vec<(&'a FacetKey, &'a FacetRow)>,
);

fn held<'a>(replica: &Replica, id: &CompartmentId, rows: &'a Rows) -> Held<'a> {
    let section = replica.dossiers.get(id).map(|(opening, _)| opening.section);
    let decides = |statement: &&Statement| match statement.body() {
        Body::Retire { compartment, .. }
        | Body::Cut { compartment, .. }
        | Body::Erase { compartment, only_for: None, .. } => {
            compartment == id && Some(statement.author()) == section
        }
        _ => false,
    };
    let dossier = replica.statements.values().filter(decides).map(Statement::id).collect();
    let logs = replica.logs.iter().filter(|(_, log)| log.compartment == *id);
    // What lies above a cut may be held or not.
    let logs = logs
        .map(|(log, state)| (*log, replica.counted_height(log, state)))
        .filter(|(_, height)| *height > 0)
        .map(|(log, height)| {
            let last = replica.bundle(&log, height - 1).expect("a held bundle");
            (log, height, last.header.id())
        });
    let rows = rows.iter().filter(|(key, row)| key.compartment == *id && row.active > 0);
    (dossier, logs.collect(), rows.collect())
}

/// I3: whatever stands was written by the publisher or by somebody who was ever let edit it.
fn check_authors(sim: &Sim, org: usize, rows: &Rows) -> Result<(), String> {
    let (world, model) = (&sim.world, &sim.model);
    let replica = world.replica(org);
    for (key, row) in rows {
        for leaf in &row.leaves {
            let Some(author) = replica.logs.get(&leaf.log).map(|log| log.author) else {
                return Err(format!("I3: org {org} has a leaf of no log"));
            };
            let Some((opening, _)) = replica.dossiers.get(&key.compartment) else { continue };
            let permitted = author == key.section
                || model.grants.iter().enumerate().any(|(index, grant)| {
                    world.id(grant.to) == author
                        && world.id(grant.section) == key.section
                        && matches!(&grant.what, What::Fields { edit: true, kind, .. } if *kind == key.kind)
                        && opening.schema.fields().iter().all(|f| model.covers(index, &f.name))
                });
            if !permitted {
                return Err(format!("I3: org {org} has a change of {author}"));
            }
        }
    }
    Ok(())
}

/// I3, I4: nothing shows of what was written without a right, or after it had ended.
fn check_void(sim: &Sim, org: usize, rows: &Rows) -> Result<(), String> {
    for (key, row) in rows {
        for token in row.fields.values().flat_map(super::model::tokens) {
            if sim.model.void.contains(&token) {
                return Err(format!("I3: org {org} has {token} in {}", key.compartment));
            }
        }
    }
    Ok(())
}

/// A row is a cache: made anew from its leaves it is the same.
fn check_rebuilt(replica: &Replica, rows: &Rows) -> Result<(), String> {
    for (key, row) in rows {
        let Some((opening, _)) = replica.dossiers.get(&key.compartment) else {
            return Err("I2: a row of no compartment".to_owned());
        };
        let opening: &Opening = opening;
        let mut leaves = row.leaves.clone();
        leaves.reverse();
        let mut made = replica.evaluate(opening, &leaves).map_err(|e| e.to_string())?;
        made.leaves.sort_by_key(place);
        if key.share == keys::NO_SHARE {
            // The book remembers which partner's edit was absorbed last.
            made.by = row.by;
        }
        if made != *row {
            return Err(format!("I2: a row is not what its leaves make: {row:?}, {made:?}"));
        }
    }
    Ok(())
}

/// All statements and bundles an org holds, told to a stranger in any order, give the same rows.
fn check_shuffled(sim: &mut Sim, org: usize, rows: &Rows) -> Result<(), String> {
    let keys = OrgKeys {
        root: SigningKey::from_bytes(&sim.dice.bytes()),
        successor: SigningKey::from_bytes(&sim.dice.bytes()),
    };
    let (node, party) = (SigningKey::from_bytes(&sim.dice.bytes()), keys.party("Stranger"));
    let now = sim.world.clock(org);
    let certificate = keys.certify(&party, node.public(), None, Hlc(1), now * 2);
    let me = Identity { party, node, certificate };
    let store = Box::new(MemoryStore::default());
    let seed = sim.dice.bytes();
    let mut fresh =
        Replica::open(me, Settings::default(), store, now, seed).map_err(|e| e.to_string())?;
    let replica = sim.world.replica(org);
    let mut told: Vec<Vec<u8>> = replica.statements.values().map(|s| s.bytes().to_vec()).collect();
    let mut bundles = Vec::new();
    for (_, bytes) in replica.store.scan(b"B", &[], usize::MAX).map_err(|e| e.to_string())? {
        bundles.push(Verified::open(&bytes).map_err(|e| e.to_string())?);
    }
    let is_book = |key: &&FacetKey| key.share == keys::NO_SHARE;
    let wanted: BTreeMap<&FacetKey, &FacetRow> =
        rows.iter().filter(|(key, _)| !is_book(key)).collect();
    let retired = |key: &FacetKey| {
        replica.dossiers.get(&key.compartment).is_none_or(|(_, dossier)| dossier.retired())
    };
    fresh.begin(now, seed);
    while !told.is_empty() || !bundles.is_empty() {
        // Statements and bundles come mixed; a bundle that cannot be judged yet is told again.
        for _ in 0..=sim.dice.below(8) {
            if !told.is_empty() {
                let bytes = told.swap_remove(sim.dice.below(told.len()));
                fresh.hear(&bytes, &fresh.node_key()).map_err(|error| format!("I2: {error}"))?;
            }
        }
        fresh.commit().map_err(|e| e.to_string())?;
        for bundle in std::mem::take(&mut bundles) {
            match fresh.authorise(&bundle, None) {
                Ok(authorised) => fresh.apply(bundle, authorised).map_err(|e| e.to_string())?,
                Err(crate::ingest::Hold::Waiting(_)) if !told.is_empty() => bundles.push(bundle),
                Err(crate::ingest::Hold::Waiting("gap")) => bundles.push(bundle),
                Err(_) => {}
            }
        }
        if !bundles.is_empty() {
            let at = sim.dice.below(bundles.len());
            bundles.rotate_left(at);
        }
    }
    fresh.commit().map_err(|e| e.to_string())?;
    let mut made = self::rows(&fresh);
    made.retain(|_, row| row.active > 0);
    let wanted: Rows = wanted
        .into_iter()
        .filter(|(key, row)| !retired(key) && row.active > 0)
        .map(|(key, row)| (*key, row.clone()))
        .collect();
    if made != wanted {
        let part = |a: &Rows, b: &Rows| -> Vec<(FacetKey, FacetRow)> {
            let missing = a.iter().filter(|(key, row)| b.get(*key) != Some(*row));
            missing.map(|(key, row)| (*key, row.clone())).collect()
        };
        return Err(format!(
            "I2: shuffled delivery at a stranger differs from org {org}: {:?} for {:?}",
            part(&made, &wanted),
            part(&wanted, &made)
        ));
    }
    Ok(())
}
