//! Mutants of every kind of frame, byte by byte and signed anew: none stops the node, none lets it
//! grow, and honest work goes on after each thousand.

use super::*;
use crate::fork::ForkProof;
use crate::message::ShareDigest;
use crate::statement::{Cause, Mark, RecordTurn};
use crate::world::{Dice, contribute};

const MUTANTS: usize = 4000;

/// Numbers that break arithmetic.
const EDGES: [u64; 7] = [0, 1, 2, 255, u32::MAX as u64, u64::MAX - 1, u64::MAX];

fn edge(dice: &mut Dice) -> u64 {
    EDGES[dice.below(EDGES.len())]
}

/// Ids that mean something here, and one that does not.
struct Pool {
    logs: Vec<LogId>,
    compartments: Vec<CompartmentId>,
    grants: Vec<GrantId>,
    statements: Vec<StatementId>,
    orgs: Vec<OrgId>,
}

impl Pool {
    fn of(scene: &Scene) -> Self {
        let at = scene.world.replica(A);
        Self {
            logs: at.logs.keys().copied().chain([LogId([7; 32])]).collect(),
            compartments: at
                .dossiers
                .iter()
                .map(|(id, ..)| *id)
                .chain([CompartmentId([7; 32])])
                .collect(),
            grants: at.grants.iter().map(|g| g.id).chain([GrantId([7; 32])]).collect(),
            statements: at.statements.keys().copied().collect(),
            orgs: (0..4).map(|n| scene.world.id(n)).collect(),
        }
    }
}

fn pick<T: Copy>(dice: &mut Dice, from: &[T]) -> T {
    from[dice.below(from.len())]
}

fn body(scene: &Scene, pool: &Pool, dice: &mut Dice) -> Body {
    let compartment = pick(dice, &pool.compartments);
    let grant = pick(dice, &pool.grants);
    let said = pick(dice, &pool.statements);
    let number = edge(dice);
    let mark = Mark { log: pick(dice, &pool.logs), height: edge(dice), head: Nonce32([1; 32]) };
    let cause = match dice.below(4) {
        0 => Cause::Revoke(said),
        1 => Cause::Retire(said),
        2 => Cause::EndNode(said),
        _ => Cause::Fork(Nonce32([1; 32])),
    };
    let turn = edge(dice) as u32;
    match dice.below(9) {
        0 => Body::Admit {
            compartment,
            grant,
            replaces: vec![pick(dice, &pool.compartments)],
            from: vec![mark],
            number,
        },
        1 => Body::Retire { compartment, number },
        2 => Body::Cut { compartment, cause, logs: vec![mark], number },
        3 => Body::Erase {
            compartment,
            records: vec![RecordTurn { record: scene.record, turn }],
            only_for: dice.chance(50).then_some(grant),
            number,
        },
        4 => Body::Revoke { grant, reason: number as u8 },
        5 => Body::Receipt { of: said, done_at: number },
        6 => Body::Grant {
            share: scene.share,
            section: pick(dice, &pool.orgs),
            to: scene.party(dice.below(4)),
            scope: if dice.chance(70) {
                fields(Kind::Event, &["title"], dice.chance(50))
            } else {
                contribute(&[Kind::Customer])
            },
            parent: dice.chance(70).then_some(grant),
            depth: number as u8,
            expires_at: dice.chance(50).then_some(number),
            nonce: Nonce([turn as u8; 16]),
        },
        7 => Body::OpenShare {
            name: "x".repeat(dice.below(300)),
            purpose: String::new(),
            ends_at: Some(number),
            retention_days: Some(turn),
            nonce: Nonce([1; 16]),
        },
        _ => Body::OpenCompartment {
            share: scene.share,
            kind: Kind::Event,
            fields: Vec::new(),
            nonce: Nonce([1; 16]),
            genesis: crate::facet::Schema::new(&[]).genesis(),
        },
    }
}

fn bundle(scene: &mut Scene, pool: &Pool, dice: &mut Dice) -> Verified {
    let compartment = if dice.chance(80) { scene.brief } else { pick(dice, &pool.compartments) };
    let grant = if dice.chance(80) { Some(scene.edit) } else { Some(pick(dice, &pool.grants)) };
    let mut pen = scene.pen(B, compartment, grant);
    pen.epoch = Nonce([dice.below(6) as u8; 16]);
    if dice.chance(30) {
        pen.seq = edge(dice);
    }
    if dice.chance(20) {
        pen.at = Hlc(edge(dice));
    }
    let brief = scene.brief;
    let text = format!("MUTANT-{}", dice.below(1 << 40));
    let mut leaf = match scene.facet(A, &brief) {
        Some(_) => scene.leaf(&pen.log(), &brief, put("title", &text)),
        None => {
            Leaf::Full { record: scene.record, turn: 1, salt: Nonce([1; 16]), change: vec![1; 40] }
        }
    };
    if let Leaf::Full { change, turn, .. } = &mut leaf {
        if dice.chance(40) {
            let at = dice.below(change.len());
            change[at] ^= 1 << dice.below(8);
        }
        if dice.chance(20) {
            *turn = edge(dice) as u32;
        }
    }
    if dice.chance(10) {
        leaf = leaf.redacted();
    }
    pen.seal(vec![leaf])
}

fn frame(scene: &mut Scene, pool: &Pool, dice: &mut Dice) -> Frame {
    let log = pick(dice, &pool.logs);
    let compartment = pick(dice, &pool.compartments);
    let number = edge(dice);
    let node = scene.key(B).public();
    let share = if dice.chance(80) { scene.share } else { ShareId([8; 32]) };
    let digest = Nonce32([dice.below(3) as u8; 32]);
    match dice.below(17) {
        0..=3 => {
            let said = body(scene, pool, dice);
            let said = scene.sign(B, said);
            let heard = scene.world.replica(A).peers.get(&node).map_or(0, |peer| peer.heard);
            let position = if dice.chance(90) { heard } else { number };
            Frame::Statements { position, statements: vec![Blob(said.bytes().to_vec())] }
        }
        4..=7 => {
            let made = bundle(scene, pool, dice);
            let at = Height { compartment, log: made.log(), height: number, head: digest };
            let frame = Frame::Heights { share: scene.share, digest, logs: vec![at] };
            let conn = *scene.world.raw.keys().next_back().expect("a connection");
            scene.world.send_raw(conn, &codec::to_bytes(&frame));
            Frame::Bundles { bundles: vec![Blob(bytes(&made))] }
        }
        8 => {
            let (one, two) = (bundle(scene, pool, dice), bundle(scene, pool, dice));
            let proof = ForkProof {
                first: one.header().clone(),
                first_signature: one.bundle().signature,
                second: two.header().clone(),
                second_signature: two.bundle().signature,
            };
            Frame::Fork { proof: Box::new(proof) }
        }
        9 => {
            let at = Height { compartment, log, height: number, head: digest };
            Frame::Heights { share, digest, logs: vec![at] }
        }
        10 => Frame::Want { log, from: number },
        11 => Frame::Stored { log, height: number },
        12 => Frame::StatementsStored { position: number },
        13 => Frame::Resume { cursor: number },
        14 => Frame::Digests { shares: vec![ShareDigest { share, digest }] },
        15 => Frame::Ask { shares: vec![share], settled: vec![share] },
        _ => match dice.below(5) {
            0 => Frame::Stop { log },
            1 => Frame::Gone { log },
            2 => Frame::Paired,
            3 => Frame::Refused { code: "x".repeat(dice.below(200)) },
            _ => Frame::Hello { version: number as u16, store: Nonce([number as u8; 16]) },
        },
    }
}

/// Flips, cuts, doubles or overwrites bytes.
pub fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = dice.below(bytes.len());
        match dice.below(5) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = dice.below(256) as u8,
            2 => bytes.truncate(at),
            3 => {
                let tail = bytes[at..].to_vec();
                bytes.extend(tail);
            }
            _ => drop(bytes.remove(at)),
        }
    }
}

fn torment(seed: u64, mutants: usize) {
    let mut scene = Scene::begin(seed);
    let mut dice = Dice::new(seed ^ 0xbad);
    let pool = Pool::of(&scene);
    let mut raw = scene.enter(B, A);
    let before = scene.disk(A);
    for n in 0..mutants {
        if scene.closed(raw).is_some() {
            scene.world.raw.clear();
            raw = scene.knock(B, A, Approach::Known);
            if dice.chance(95) && scene.closed(raw).is_none() {
                scene.send(raw, &Frame::Hello { version: VERSION, store: Nonce([9; 16]) });
            }
        }
        let frame = frame(&mut scene, &pool, &mut dice);
        let mut bytes = codec::to_bytes(&frame);
        if dice.chance(25) {
            mutate(&mut bytes, &mut dice);
        }
        scene.world.send_raw(raw.conn, &bytes);
        if n % 500 == 499 {
            scene.world.settle();
            scene.world.act(A, |r| r.tick_over()).unwrap();
        }
    }
    scene.world.settle();
    let grown = scene.disk(A).saturating_sub(before);
    assert!(grown < mutants * 4096, "grew by {grown} bytes");
    // The store opens again and honest work goes on.
    scene.world.kill(A);
    scene.world.start(A);
    scene.world.settle();
    let at = crate::book::Address::Own { kind: Kind::Event, record: scene.event };
    scene.world.act(A, |r| r.edit(&at, vec![put("venue", "VENUE-END")])).unwrap();
    scene.world.settle();
    let seen = scene.world.sees(C, &scene.share, Kind::Event, &scene.record).unwrap();
    assert_eq!(seen.fields["venue"], Some(Value::Str("VENUE-END".into())));
}

#[test]
fn no_mutant_of_any_frame_stops_a_node() {
    for seed in 0..4 {
        torment(seed, MUTANTS / 4);
    }
}

#[test]
fn no_mutant_of_a_gate_frame_stops_a_node() {
    let mut scene = Scene::begin(9);
    let mut dice = Dice::new(77);
    let certificate = scene.certificate(B);
    let gate = Frame::Gate { certificate, rotations: Vec::new(), approach: Approach::Known };
    let good = codec::to_bytes(&gate);
    for _ in 0..1000 {
        let mut bytes = good.clone();
        mutate(&mut bytes, &mut dice);
        let raw = scene.connect(scene.key(B).public(), A);
        scene.world.send_raw(raw.conn, &bytes);
        assert!(bytes == good || scene.closed(raw).is_some());
        scene.world.act(A, |r| r.closed(raw.conn)).unwrap();
        scene.world.raw.clear();
    }
    scene.honest_edit_arrives("TITLE-1");
}
