//! The vectors of the wire: every frame, and all that two nodes say while they pair and share.

use std::collections::VecDeque;

use serde_json::{Value as Json, json};

use super::{NOW, YEAR_MS, at, check, hex, key, keys};
use crate::bundle::{Header, Leaf, Verified};
use crate::codec;
use crate::fork::ForkProof;
use crate::id::{CompartmentId, LogId, Nonce, OrgId, PublicKey, RecordId, ShareId};
use crate::message::{Approach, Blob, DeskEntry, Frame, Height, ShareDigest};
use crate::replica::{Effect, Identity, Replica, Settings};
use crate::sharing::NewGrant;
use crate::statement::{Nonce32, Scope};
use crate::store::MemoryStore;
use crate::value::{Fields, Value};
use crate::vocabulary::Kind;

/// Two bundles that one node signed for the first place of one log.
fn fork() -> ForkProof {
    let one = |n: u8| {
        let header = Header {
            compartment: CompartmentId([20; 32]),
            author: OrgId([23; 32]),
            node: key(9).public(),
            epoch: Nonce([6; 16]),
            seq: 0,
            prev: Nonce32([0; 32]),
            grant: None,
            dossier_number: 0,
            at: at(0),
            leaf_count: 0,
            root: Nonce32([0; 32]),
        };
        let (record, salt) = (RecordId([n; 16]), Nonce([n; 16]));
        Verified::write(
            header,
            vec![Leaf::Full { record, turn: 1, salt, change: vec![n] }],
            &key(9),
        )
    };
    let proof = ForkProof::of(&one(1), &one(2)).unwrap();
    assert!(proof.holds());
    proof
}

#[test]
fn every_frame_is_encoded_as_written() {
    let blob = |n: u8| Blob(vec![n; 3]);
    let nonce = Nonce32([1; 32]);
    let (share, log) = (ShareId([3; 32]), LogId([4; 32]));
    let height = |n: u8| Height {
        compartment: CompartmentId([5; 32]),
        log: LogId([n; 32]),
        height: 300,
        head: nonce,
    };
    let heights = [height(4), height(6)];
    let digest = Replica::digest(&heights);
    let gate = |approach| Frame::Gate { certificate: blob(1), rotations: vec![blob(2)], approach };
    let invited = Approach::Invited {
        invite: Nonce([7; 16]),
        mac: nonce,
        commitment: nonce,
        profile: blob(8),
    };
    let entry = DeskEntry {
        key: b"G-selector".to_vec(),
        value: Some(blob(3)),
        at: at(5),
        by: key(9).public(),
    };
    let frames = [
        ("gate, known", gate(Approach::Known)),
        ("gate, introduced", gate(Approach::Introduced { chain: vec![blob(9)] })),
        ("gate, invited", gate(invited)),
        ("welcome", Frame::Welcome { nonce, profile: blob(1) }),
        ("reveal", Frame::Reveal { nonce }),
        ("paired", Frame::Paired),
        ("hello", Frame::Hello { version: 1, store: Nonce([7; 16]) }),
        ("resume", Frame::Resume { cursor: 24 }),
        ("statements", Frame::Statements { position: 23, statements: vec![blob(1), blob(2)] }),
        ("statements stored", Frame::StatementsStored { position: 25 }),
        ("digests", Frame::Digests { shares: vec![ShareDigest { share, digest }] }),
        ("ask", Frame::Ask { shares: vec![share], settled: vec![] }),
        ("heights", Frame::Heights { share, digest, logs: heights.to_vec() }),
        ("want", Frame::Want { log, from: 256 }),
        ("bundles", Frame::Bundles { bundles: vec![blob(1)] }),
        ("stored", Frame::Stored { log, height: 300 }),
        ("stop", Frame::Stop { log }),
        ("refused", Frame::Refused { code: "gate_unknown".into() }),
        ("fork", Frame::Fork { proof: Box::new(fork()) }),
        ("gone", Frame::Gone { log }),
        ("recall", Frame::Recall),
        ("desk, wanted", Frame::DeskWant { from: 4 }),
        ("desk", Frame::Desk { from: 4, next: 7, entries: vec![entry] }),
    ];
    let encoded: Vec<Json> = frames
        .iter()
        .map(|(name, frame)| json!({ "name": name, "bytes": hex(&codec::to_bytes(frame)) }))
        .collect();
    check("frames.json", &json!({ "frames": encoded, "digest": hex(&digest.0) }));
}

/// Two nodes and the line between them.
struct Pair {
    nodes: [Replica; 2],
    step: u8,
    frames: Vec<Json>,
}

impl Pair {
    fn new(names: [&str; 2]) -> Self {
        let mut seed = 1;
        let nodes = names.map(|name| {
            let (org, node) = (keys(seed), key(seed + 8));
            let party = org.party(name);
            let certificate = org.certify(&party, node.public(), Some(1), at(0), NOW + YEAR_MS);
            let me = Identity { party, node, certificate };
            let store = Box::new(MemoryStore::default());
            let settings = Settings::default();
            seed += 10;
            Replica::open(me, settings, store, NOW, [seed; 32]).unwrap()
        });
        let mut pair = Self { nodes, step: 0, frames: Vec::new() };
        for side in 0..2 {
            pair.act(side, |r| r.set_addresses(vec![format!("/ip4/192.0.2.{side}/tcp/7730")]));
        }
        pair
    }

    /// Does something at one node and delivers frames until both are silent.
    fn act<T>(
        &mut self,
        side: usize,
        what: impl FnOnce(&mut Replica) -> Result<T, crate::refusal::Refusal>,
    ) -> T {
        let mut queue = VecDeque::new();
        let done = self.input(side, &mut queue, what);
        while let Some((to, frame)) = queue.pop_front() {
            self.frames.push(json!({ "to": to, "bytes": hex(&frame) }));
            self.input(to, &mut queue, |r| r.frame(1, &frame));
        }
        done
    }

    fn input<T>(
        &mut self,
        side: usize,
        queue: &mut VecDeque<(usize, Vec<u8>)>,
        what: impl FnOnce(&mut Replica) -> Result<T, crate::refusal::Refusal>,
    ) -> T {
        self.step += 1;
        let node = &mut self.nodes[side];
        node.begin(NOW + u64::from(self.step), [self.step; 32]);
        let done = what(node).unwrap();
        for effect in node.commit().unwrap() {
            match effect {
                Effect::Send { frame, .. } => queue.push_back((1 - side, frame)),
                Effect::Close { code, .. } => panic!("closed: {code}"),
                Effect::Admitted { .. }
                | Effect::Dial { .. }
                | Effect::Forget { .. }
                | Effect::Paired { .. }
                | Effect::Changed { .. } => {}
            }
        }
        done
    }

    fn key(&self, side: usize) -> PublicKey {
        self.nodes[side].node_key()
    }
}

#[test]
fn a_pairing_and_a_first_share_go_over_the_wire_as_written() {
    let mut pair = Pair::new(["Acme Motors", "Bright Agency"]);
    let line = pair.act(0, |r| r.invite(1000, false));
    pair.act(1, |r| r.accept(&line));
    let (inviter, newcomer) = (pair.key(0), pair.key(1));
    pair.act(0, |r| r.opened(1, newcomer, false));
    pair.act(1, |r| r.opened(1, inviter, true));
    let (a, b) = (pair.nodes[0].me().org, pair.nodes[1].me().org);
    let code = pair.nodes[0].partner(&b).unwrap().partner.code.unwrap();
    assert_eq!(pair.nodes[1].partner(&a).unwrap().partner.code.as_ref(), Some(&code));
    let paired = pair.frames.len();
    let share = pair.act(0, |r| r.open_share("Spring launch", None, None));
    let fields = ["starts_at", "title"].map(str::to_owned).to_vec();
    pair.act(0, |r| {
        r.grant(NewGrant {
            share,
            section: a,
            to: b,
            scope: Scope::Fields { kind: Kind::Event, fields, edit: false, keep: false },
            selector: None,
            with_history: false,
            depth: 0,
            expires_at: None,
        })
    });
    let event = Fields::from([
        ("title".to_owned(), Value::Str("Launch".into())),
        ("venue".to_owned(), Value::Str("not granted".into())),
    ]);
    let event = pair.act(0, |r| r.create(Kind::Event, event));
    pair.act(0, |r| r.place(&share, Kind::Event, &[event]));
    let seen = pair.nodes[1].list(&crate::view::ListQuery::of(Kind::Event)).unwrap().records;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].fields["title"], Some(Value::Str("Launch".into())));
    assert!(seen[0].withheld.contains(&"venue".to_owned()));
    check(
        "transcript.json",
        &json!({
            "invite_line": line,
            "orgs": [hex(&a.0), hex(&b.0)],
            "nodes": [hex(&inviter.0), hex(&newcomer.0)],
            "verification_code": code,
            "frames_until_paired": paired,
            "frames": pair.frames,
        }),
    );
}
