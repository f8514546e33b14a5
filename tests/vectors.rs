//! Conformance vectors: what every implementation must compute, byte by byte, as JSON files.
//! Compares them with what this one computes; `UPDATE=1` writes them anew. Decides nothing.
#![allow(
    clippy::disallowed_methods,
    reason = "a test reads and writes the files it compares; the protocol itself has none"
)]

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use crate::bundle::{Header, Leaf, Verified};
use crate::codec;
use crate::facet::{self, Schema};
use crate::grant::Grants;
use crate::id::{CompartmentId, GrantId, LogId, Nonce, OrgId, RecordId, ShareId, StatementId};
use crate::identity::{OrgKeys, commitment};
use crate::plan::{self, Rule};
use crate::sign::SigningKey;
use crate::statement::{
    Body, Cause, FieldSpec, Mark, Nonce32, Party, RecordTurn, Scope, Statement,
};
use crate::time::Hlc;
use crate::value::{Fields, Shape, Value};
use crate::vocabulary::Kind;

/// Frames, and what goes over the wire.
#[path = "vectors/wire.rs"]
mod wire;

const NOW: u64 = 1_800_000_000_000;
const YEAR_MS: u64 = 365 * 24 * 3600 * 1000;

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn keys(n: u8) -> OrgKeys {
    OrgKeys { root: key(n), successor: key(n + 1) }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn at(step: u64) -> Hlc {
    Hlc((NOW << 16) + step)
}

/// Compares a file with what was computed now, or writes it.
fn check(name: &str, computed: &Json) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors")).join(name);
    let mut text = serde_json::to_string_pretty(computed).unwrap();
    text.push('\n');
    if std::env::var("UPDATE").is_ok() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let found = std::fs::read(&path).unwrap_or_default();
    assert!(
        found == text.as_bytes(),
        "tests/vectors/{name} is not what is computed now; if the protocol was meant to change, \
         write it anew with UPDATE=1"
    );
}

fn text_of(id: &impl std::fmt::Display, bytes: &[u8]) -> Json {
    json!({ "bytes": hex(bytes), "text": id.to_string() })
}

#[test]
fn ids_and_their_texts_are_as_written() {
    let party = keys(1).party("Acme Motors");
    let node = key(9).public();
    let compartment = CompartmentId([5; 32]);
    let epoch = Nonce([6; 16]);
    let record = RecordId([8; 16]);
    let records: Vec<Json> = Kind::ALL
        .iter()
        .map(|kind| json!({ "kind": *kind as u8, "name": kind.name(), "text": kind.id_text(&record) }))
        .collect();
    let books: Vec<Json> = Kind::ALL
        .iter()
        .map(|kind| {
            let id = CompartmentId::of_book(&party.org, *kind as u8);
            json!({ "kind": *kind as u8, "compartment": hex(&id.0) })
        })
        .collect();
    let log = LogId::of(&node, &compartment, &epoch);
    check(
        "ids.json",
        &json!({
            "root_seed": hex(&[1; 32]),
            "successor_seed": hex(&[2; 32]),
            "root": hex(&party.root.0),
            "successor_commitment": hex(&party.successor.0),
            "org": text_of(&party.org, &party.org.0),
            "share": text_of(&ShareId([3; 32]), &[3; 32]),
            "grant": text_of(&GrantId([4; 32]), &[4; 32]),
            "record": { "bytes": hex(&record.0), "texts": records },
            "books": books,
            "log": {
                "node": hex(&node.0),
                "compartment": hex(&compartment.0),
                "epoch": hex(&epoch.0),
                "id": hex(&log.0),
            },
        }),
    );
}

fn specs() -> Vec<FieldSpec> {
    let spec = |name: &str, shape| FieldSpec { name: name.into(), shape };
    vec![
        spec("active", Shape::Bool),
        spec("brief", Shape::Text),
        spec("capacity", Shape::Int),
        spec("phones", Shape::Json),
        spec("points", Shape::Counter),
        spec("starts_at", Shape::Instant),
        spec("tags", Shape::Set),
        spec("title", Shape::Str),
    ]
}

/// One body of every kind, in the order of their indices.
fn bodies(party: &Party) -> Vec<(&'static str, Body)> {
    let (compartment, grant) = (CompartmentId([20; 32]), GrantId([21; 32]));
    let mark = |n: u8| Mark { log: LogId([n; 32]), height: 300, head: Nonce32([n + 1; 32]) };
    let turn = |n: u8, turn| RecordTurn { record: RecordId([n; 16]), turn };
    let fields = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let grant_of = |scope, parent, expires_at| Body::Grant {
        share: ShareId([22; 32]),
        section: OrgId([23; 32]),
        to: keys(30).party("Bright Agency"),
        scope,
        parent,
        depth: 1,
        expires_at,
        nonce: Nonce([24; 16]),
    };
    let event = Scope::Fields {
        kind: Kind::Event,
        fields: fields(&["starts_at", "title"]),
        edit: true,
        keep: false,
    };
    let add = Scope::Contribute { kinds: vec![Kind::Customer, Kind::Participation] };
    let cut = |cause, logs| Body::Cut { compartment, cause, logs, number: 3 };
    let erase = |only_for, number| Body::Erase {
        compartment,
        records: vec![turn(1, 1), turn(2, 70_000)],
        only_for,
        number,
    };
    let certificate = |term| Body::Certificate {
        party: party.clone(),
        node: key(9).public(),
        term,
        expires_at: NOW + YEAR_MS,
    };
    let share = |ends_at, retention_days| Body::OpenShare {
        name: "Spring launch 春季发布会".into(),
        purpose: "Spring launch".into(),
        ends_at,
        retention_days,
        nonce: Nonce([25; 16]),
    };
    vec![
        (
            "profile",
            Body::Profile {
                party: party.clone(),
                addresses: vec!["/ip4/192.0.2.1/tcp/7730".into()],
                languages: vec!["zh-CN".into(), "en".into()],
            },
        ),
        ("certificate", certificate(Some(1))),
        ("certificate, no steward", certificate(None)),
        ("end of a node", Body::EndNode { node: key(9).public() }),
        ("share", share(Some(NOW + YEAR_MS), Some(30))),
        ("share, no end", share(None, None)),
        (
            "compartment",
            Body::OpenCompartment {
                share: ShareId([22; 32]),
                kind: Kind::Event,
                fields: specs(),
                nonce: Nonce([26; 16]),
                genesis: Schema::new(&specs()).genesis(),
            },
        ),
        (
            "admission",
            Body::Admit { compartment, grant, replaces: vec![], from: vec![], number: 1 },
        ),
        (
            "admission after a roll",
            Body::Admit {
                compartment,
                grant,
                replaces: vec![CompartmentId([27; 32])],
                from: vec![mark(40)],
                number: 2,
            },
        ),
        ("retirement", Body::Retire { compartment, number: 2 }),
        ("grant of fields", grant_of(event, None, Some(NOW + 1000))),
        ("grant to contribute", grant_of(add, Some(GrantId([28; 32])), None)),
        ("revocation", Body::Revoke { grant, reason: 3 }),
        (
            "cut after a revocation",
            cut(Cause::Revoke(StatementId([29; 32])), vec![mark(40), mark(50)]),
        ),
        ("cut after a retirement", cut(Cause::Retire(StatementId([29; 32])), vec![])),
        ("cut after the end of a node", cut(Cause::EndNode(StatementId([29; 32])), vec![])),
        ("cut after a fork", cut(Cause::Fork(Nonce32([29; 32])), vec![mark(40)])),
        ("erasure", erase(None, 4)),
        ("erasure for one audience", erase(Some(grant), 0)),
        ("receipt", Body::Receipt { of: StatementId([29; 32]), done_at: NOW }),
    ]
}

fn described(name: &str, statement: &Statement) -> Json {
    let envelope = statement.bytes();
    assert_eq!(&Statement::open(envelope).unwrap(), statement);
    json!({
        "name": name,
        "bytes": hex(envelope),
        "id": statement.id().to_string(),
        "author": hex(&statement.author().0),
        "key": hex(&statement.key().0),
        "millis": statement.at().millis(),
        "counter": statement.at().0 & 0xffff,
    })
}

#[test]
fn a_statement_of_every_kind_is_as_written() {
    let org = keys(1);
    let party = org.party("Acme Motors");
    let (mut all, mut keeps) = (Vec::new(), std::collections::BTreeSet::new());
    for (step, (name, body)) in bodies(&party).into_iter().enumerate() {
        let by_root = matches!(body, Body::Certificate { .. } | Body::EndNode { .. });
        let signer = if by_root { key(1) } else { key(9) };
        let statement = Statement::sign(party.org, &signer, at(step as u64), body);
        keeps.extend(by_root.then(|| statement.id()));
        all.push(described(name, &statement));
    }
    all.push(described("rotation", &org.rotate(&party, &key(3).public(), &keeps, at(99))));
    check(
        "statements.json",
        &json!({
            "org": hex(&party.org.0),
            "node_seed": hex(&[9; 32]),
            "rotated_to": hex(&key(2).public().0),
            "next_commitment": hex(&commitment(&key(3).public()).0),
            "statements": all,
        }),
    );
}

struct Link {
    from: u8,
    to: u8,
    section: u8,
    fields: &'static [&'static str],
    edit: bool,
    depth: u8,
    expires_at: Option<u64>,
}

fn chain(links: &[Link]) -> Json {
    let orgs = |n: u8| keys(n).party("");
    let opener = orgs(1).org;
    let share = Statement::sign(
        opener,
        &key(101),
        at(0),
        Body::OpenShare {
            name: "Spring".into(),
            purpose: "Spring".into(),
            ends_at: None,
            retention_days: None,
            nonce: Nonce([1; 16]),
        },
    );
    let mut grants = Grants::default();
    grants.insert(&share);
    let mut parent = None;
    let mut bytes = Vec::new();
    for (step, link) in links.iter().enumerate() {
        let body = Body::Grant {
            share: share.id().into(),
            section: orgs(link.section).org,
            to: orgs(link.to),
            scope: Scope::Fields {
                kind: Kind::Event,
                fields: link.fields.iter().map(|f| (*f).to_owned()).collect(),
                edit: link.edit,
                keep: false,
            },
            parent,
            depth: link.depth,
            expires_at: link.expires_at,
            nonce: Nonce([step as u8; 16]),
        };
        let author = orgs(link.from).org;
        let said = Statement::sign(author, &key(100 + link.from), at(1 + step as u64), body);
        grants.insert(&said);
        parent = Some(GrantId::from(said.id()));
        bytes.push(json!(hex(said.bytes())));
    }
    let verdict = match grants.chain(&parent.unwrap()) {
        Ok(_) => "ok",
        Err(error) => error.code(),
    };
    json!({ "share": hex(share.bytes()), "grants": bytes, "verdict": verdict })
}

#[test]
fn grant_chains_are_judged_as_written() {
    const ALL: &[&str] = &["starts_at", "title", "venue"];
    const TWO: &[&str] = &["starts_at", "title"];
    const ONE: &[&str] = &["title"];
    let link = |from, to, fields, depth| Link {
        from,
        to,
        section: 1,
        fields,
        edit: false,
        depth,
        expires_at: None,
    };
    let good = || [link(1, 11, ALL, 2), link(11, 21, TWO, 1), link(21, 31, ONE, 0)];
    let mut cases = vec![("three links", chain(&good()))];
    let mut vary = |name: &'static str, expected: &str, change: &dyn Fn(&mut [Link; 3])| {
        let mut links = good();
        change(&mut links);
        let case = chain(&links);
        assert_eq!(case["verdict"], expected, "{name}");
        cases.push((name, case));
    };
    vary("a field more in the third link", "wider_fields", &|l| l[2].fields = ALL);
    vary("an edit right more in the second link", "wider_edit", &|l| l[1].edit = true);
    vary("a depth that does not count down", "wider_depth", &|l| l[1].depth = 2);
    vary("passed on from depth 0", "not_passable", &|l| l[1].depth = 0);
    vary("signed by another than the holder", "issuer", &|l| l[2].from = 41);
    vary("begun by another than the publisher", "not_publisher", &|l| {
        l[0].from = 41;
        l[1].from = 11;
    });
    vary("another section below", "chain_section", &|l| l[1].section = 51);
    vary("back to the publisher", "to_publisher", &|l| l[2].to = 1);
    vary("an end later than above", "later_expiry", &|l| {
        l[0].expires_at = Some(NOW);
        l[2].expires_at = Some(NOW + 1);
    });
    let cases: Vec<Json> = cases
        .into_iter()
        .map(|(name, mut case)| {
            case["name"] = name.into();
            case
        })
        .collect();
    assert_eq!(cases[0]["verdict"], "ok");
    check("grants.json", &json!({ "chains": cases }));
}

#[test]
fn a_bundle_keeps_its_id_when_a_leaf_is_redacted() {
    let full = |n: u8, len: usize| Leaf::Full {
        record: RecordId([n; 16]),
        turn: u32::from(n),
        salt: Nonce([n + 100; 16]),
        change: vec![n; len],
    };
    let header = |seq, prev, grant| Header {
        compartment: CompartmentId([20; 32]),
        author: OrgId([23; 32]),
        node: key(9).public(),
        epoch: Nonce([6; 16]),
        seq,
        prev,
        grant,
        dossier_number: 7,
        at: at(0),
        leaf_count: 0,
        root: Nonce32([0; 32]),
    };
    let none = Nonce32([0; 32]);
    let first = Verified::write(header(0, none, None), vec![full(1, 3), full(2, 300)], &key(9));
    let after = Nonce32(first.id().0);
    let second =
        Verified::write(header(1, after, Some(GrantId([4; 32]))), vec![full(3, 0)], &key(9));
    let mut redacted = first.bundle().clone();
    redacted.leaves[1] = redacted.leaves[1].redacted();
    let described = |name: &str, bytes: Vec<u8>| {
        let opened = Verified::open(&bytes).unwrap();
        json!({
            "name": name,
            "bytes": hex(&bytes),
            "id": hex(&opened.id().0),
            "log": hex(&opened.log().0),
            "root": hex(&opened.header().root.0),
        })
    };
    let bundles = [
        described("first of a log", codec::to_bytes(first.bundle())),
        described("the same, second leaf redacted", codec::to_bytes(&redacted)),
        described("next of the log", codec::to_bytes(second.bundle())),
    ];
    assert_eq!(bundles[0]["id"], bundles[1]["id"]);
    check("bundles.json", &json!({ "bundles": bundles }));
}

fn sample() -> Fields {
    let text = |text: &str| text.to_owned();
    Fields::from([
        (text("active"), Value::Bool(false)),
        (text("brief"), Value::Text(text("Ab 春🎉b"))),
        (text("capacity"), Value::Int(-129)),
        (text("phones"), Value::Json(text(r#"["+8613900000001","+4930123456"]"#))),
        (text("points"), Value::Counter(300)),
        (text("starts_at"), Value::Instant(1_804_000_000_000)),
        (text("tags"), Value::Set([text("b"), text("a"), text("空")].into())),
        (text("title"), Value::Str(text("Spring launch"))),
    ])
}

fn shown(fields: &Fields) -> Json {
    let value = |value: &Value| match value {
        Value::Bool(v) => json!({ "bool": v }),
        Value::Int(v) => json!({ "int": v }),
        Value::Instant(v) => json!({ "instant": v }),
        Value::Str(v) => json!({ "str": v }),
        Value::Json(v) => json!({ "json": v }),
        Value::Text(v) => json!({ "text": v }),
        Value::Set(v) => json!({ "set": v }),
        Value::Counter(v) => json!({ "counter": v }),
    };
    fields
        .iter()
        .map(|(name, v)| (name.clone(), value(v)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn genesis_and_first_change_follow_from_fields_and_values_alone() {
    let log = LogId::of(&key(9).public(), &CompartmentId([20; 32]), &Nonce([6; 16]));
    let judge = |schema: &Schema, bytes: &[u8]| {
        let (position, by_publisher) = ((0, 0), true);
        let leaf = facet::Leaf { log, position, by_publisher, change: Some(bytes) };
        facet::first_values(schema, &leaf).map_err(|inert| inert.code())
    };
    let case = |name: &str, specs: &[FieldSpec], fields: &Fields| {
        let schema = Schema::new(specs);
        let bytes = facet::first_change(&schema, &log, fields).unwrap();
        assert_eq!(judge(&schema, &bytes).as_ref(), Ok(fields));
        let shapes: Vec<Json> =
            specs.iter().map(|s| json!({ "name": s.name, "shape": s.shape as u8 })).collect();
        json!({
            "name": name,
            "fields": shapes,
            "genesis": hex(&schema.genesis().0),
            "values": shown(fields),
            "first_change": hex(&bytes),
        })
    };
    let scalars: Vec<FieldSpec> = specs().into_iter().filter(|s| s.name == "title").collect();
    let title: Fields = sample().into_iter().filter(|(name, _)| name == "title").collect();
    let cases = [
        case("every shape", &specs(), &sample()),
        case("granted, nothing entered", &specs(), &Fields::new()),
        case("no containers", &scalars, &title),
        case("no containers, nothing entered", &scalars, &Fields::new()),
    ];
    let schema = Schema::new(&specs());
    let good = facet::first_change(&schema, &log, &sample()).unwrap();
    let foreign = LogId::of(&key(8).public(), &CompartmentId([20; 32]), &Nonce([6; 16]));
    let mut refused = Vec::new();
    let mut refuse = |code: &str, bytes: Vec<u8>| {
        assert_eq!(judge(&schema, &bytes), Err(code));
        refused.push(json!({ "code": code, "bytes": hex(&bytes) }));
    };
    let flipped = |at: usize, bits: u8| {
        let mut bytes = good.clone();
        bytes[at] ^= bits;
        bytes
    };
    refuse("magic", flipped(0, 1));
    refuse("checksum", flipped(4, 1));
    refuse("chunk-type", flipped(8, 3));
    refuse("length", [good.clone(), vec![0]].concat());
    refuse("foreign-actor", facet::first_change(&schema, &foreign, &sample()).unwrap());
    check("facets.json", &json!({ "log": hex(&log.0), "cases": cases, "refused": refused }));
}

#[test]
fn rules_are_compiled_into_classes_and_slots_as_written() {
    let grant = |n: u8| GrantId([n; 32]);
    let rule = |n: u8, parent: Option<u8>, org: u8, fields: &[&str], edit| Rule {
        grant: grant(n),
        parent: parent.map(grant),
        org: OrgId([org; 32]),
        kind: Kind::Event,
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        edit,
        history: false,
    };
    let cases = [
        ("one reader", vec![rule(1, None, 11, &["title", "venue"], false)]),
        (
            "a subset passed on cuts through",
            vec![
                rule(1, None, 11, &["starts_at", "title", "venue"], false),
                rule(2, Some(1), 12, &["starts_at", "title"], false),
            ],
        ),
        (
            "an editor of one field",
            vec![
                rule(1, None, 11, &["starts_at", "status"], false),
                rule(2, None, 12, &["status"], true),
                rule(3, Some(2), 13, &["status"], false),
            ],
        ),
    ];
    let name = |grant: &GrantId| grant.0[0];
    let compiled = cases.map(|(title, rules)| {
        let classes = plan::classes(&rules, Kind::Event);
        // Every choice of rules that select a record, and of orgs that may be shown it.
        let mut records = Vec::new();
        for chosen in 0..1u8 << rules.len() {
            let place = |grant: &GrantId| rules.iter().position(|rule| rule.grant == *grant);
            let selects = |grant: &GrantId| place(grant).is_some_and(|at| chosen >> at & 1 == 1);
            let reached = plan::reach(&rules, selects, |_| true);
            let slots: Vec<Json> = plan::slots(&classes, &reached)
                .iter()
                .map(|slot| {
                    let grants: Vec<u8> = slot.grants.keys().map(name).collect();
                    json!({ "fields": slot.fields, "grants": grants })
                })
                .collect();
            let selecting: Vec<u8> =
                rules.iter().map(|rule| &rule.grant).filter(|g| selects(g)).map(name).collect();
            records.push(json!({ "selected_by": selecting, "slots": slots }));
        }
        let rules: Vec<Json> = rules
            .iter()
            .map(|rule| {
                let parent = rule.parent.as_ref().map(name);
                json!({
                    "grant": name(&rule.grant),
                    "parent": parent,
                    "fields": rule.fields,
                    "edit": rule.edit,
                })
            })
            .collect();
        json!({ "name": title, "rules": rules, "records": records })
    });
    check("plans.json", &json!({ "cases": compiled }));
}
