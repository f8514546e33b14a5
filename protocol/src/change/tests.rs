//! Every reason to refuse a change, reached by a change that is right but for it.

use automerge::transaction::Transactable;
use automerge::{Automerge, ObjType, ROOT, ReadDoc, ScalarValue};
use proptest::prelude::*;

use super::chunk::{Action, Chunk, Id, Key, Op, Scalar, is_sealed, seal};
use super::column::{Runs, put_runs};
use super::*;
use crate::facet::schema::GENESIS_ACTOR;
use crate::facet::{Edit, Facet, Leaf, Schema, Standing, first_change, first_values};
use crate::statement::FieldSpec;
use crate::value::{Fields, Value};

const SELF: usize = 0;
const PUBLISHER: usize = 1;
const GENESIS: usize = 2;
/// The counters of genesis: fields in order of their names.
const NOTES: Id = Id { actor: GENESIS, counter: 1 };
const TAGS: Id = Id { actor: GENESIS, counter: 2 };
const VISITS: Id = Id { actor: GENESIS, counter: 3 };

fn log(id: u8) -> LogId {
    LogId([id; 32])
}

fn schema() -> Schema {
    let specs = [
        ("age", Shape::Int),
        ("name", Shape::Str),
        ("notes", Shape::Text),
        ("prices", Shape::Json),
        ("tags", Shape::Set),
        ("visits", Shape::Counter),
    ];
    Schema::new(&specs.map(|(name, shape)| FieldSpec { name: name.into(), shape }))
}

/// The publisher's operations: 4 puts a name, 5 and 6 write a text, 7 adds a tag.
fn published() -> Facet {
    let fields = Fields::from([
        ("name".to_owned(), Value::Str("Ada".into())),
        ("notes".to_owned(), Value::Text("hi".into())),
        ("tags".to_owned(), Value::Set(["vip".to_owned()].into())),
    ]);
    let change = first_change(&schema(), &log(1), &fields).expect("fits");
    let mut facet = Facet::new(&schema());
    assert_eq!(facet.insert(leaf(1, 1, &change)), Standing::Active);
    facet
}

const fn by_publisher(counter: u64) -> Id {
    Id { actor: PUBLISHER, counter }
}

fn leaf(by: u8, seq: u64, change: &[u8]) -> Leaf<'_> {
    Leaf { log: log(by), position: (seq, 0), by_publisher: by == 1, change: Some(change) }
}

fn op<'a>(object: Option<Id>, key: Key<'a>, action: Action<'a>, preds: &[Id]) -> Op<'a> {
    Op { object, key, insert: false, action, preds: preds.to_vec() }
}

fn insert<'a>(key: Key<'a>, value: Scalar<'a>, preds: &[Id]) -> Op<'a> {
    Op { insert: true, ..op(Some(NOTES), key, Action::Put(value), preds) }
}

/// An editor's sealed change with these operations on the published state, after a last touch.
fn forge(ops: Vec<Op<'_>>, touch: impl FnOnce(&mut Chunk<'_>)) -> Vec<u8> {
    let (editor, publisher) = (actor_of(&log(2), 0), actor_of(&log(1), 0));
    let all: [&[u8]; 3] = [&editor, &publisher, GENESIS_ACTOR];
    let mut used = [true, false, false];
    for op in &ops {
        for id in op.preds.iter().chain(&op.object).chain(&element(op)) {
            used[id.actor] = true;
        }
    }
    let listed: Vec<usize> = (0..3).filter(|actor| used[*actor]).collect();
    let place = |id: Id| Id {
        actor: listed.iter().position(|actor| *actor == id.actor).expect("listed"),
        ..id
    };
    let ops = ops.into_iter().map(|op| Op {
        object: op.object.map(place),
        key: match op.key {
            Key::Element(id) => Key::Element(place(id)),
            key => key,
        },
        preds: op.preds.iter().copied().map(place).collect(),
        ..op
    });
    let mut chunk = Chunk {
        deps: published().heads(),
        actor: &editor,
        seq: 1,
        start_op: 8,
        others: listed[1..].iter().map(|actor| all[*actor]).collect(),
        ops: ops.collect(),
    };
    touch(&mut chunk);
    sealed(chunk.encode())
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let hash = chunk::hash(&bytes);
    seal(&mut bytes, &hash);
    bytes
}

fn judged(change: &[u8]) -> Standing {
    let mut facet = published();
    let before = facet.values();
    let standing = facet.insert(leaf(2, 1, change));
    if standing != Standing::Active {
        assert_eq!(facet.values(), before);
        assert_eq!(facet.active_len(), 1);
    }
    standing
}

fn name() -> Op<'static> {
    op(None, Key::Name("name"), Action::Put(Scalar::Str("Bob")), &[by_publisher(4)])
}

#[test]
fn a_right_change_stands() {
    let text = insert(Key::Element(by_publisher(6)), Scalar::Str("!"), &[]);
    let cut = op(Some(NOTES), Key::Element(by_publisher(5)), Action::Delete, &[by_publisher(5)]);
    let tag = op(Some(TAGS), Key::Name("vip"), Action::Delete, &[by_publisher(7)]);
    let sum = op(None, Key::Name("visits"), Action::Increment(3), &[VISITS]);
    let change = forge(vec![name(), text, cut, tag, sum], |_| ());
    let mut facet = published();
    assert_eq!(facet.insert(leaf(2, 1, &change)), Standing::Active);
    let expected = Fields::from([
        ("name".to_owned(), Value::Str("Bob".into())),
        ("notes".to_owned(), Value::Text("i!".into())),
        ("visits".to_owned(), Value::Counter(3)),
    ]);
    assert_eq!(facet.values(), expected);
}

#[test]
fn operations_that_do_not_fit_are_inert() {
    let root = |name, action, preds: &[Id]| op(None, Key::Name(name), action, preds);
    let put = |name, value| root(name, Action::Put(value), &[]);
    let tag = |key, action, preds: &[Id]| op(Some(TAGS), key, action, preds);
    let (one, bee) = (Action::Put(Scalar::Bool(true)), Key::Name("b"));
    let at = |counter| Key::Element(by_publisher(counter));
    let x = Scalar::Str("x");
    let long = "k".repeat(MAX_KEY_BYTES + 1);
    let mine = |counter| Id { actor: SELF, counter };
    let cut = |counter| op(Some(NOTES), at(counter), Action::Delete, &[by_publisher(counter)]);
    let cases: Vec<(Inert, Vec<Op<'_>>)> = vec![
        (Inert::Makes, vec![root("name", Action::MakeMap, &[])]),
        (Inert::Makes, vec![root("name", Action::MakeText, &[])]),
        (Inert::Field, vec![put("nope", x)]),
        (Inert::Field, vec![put("x_open", x)]),
        (Inert::Shape, vec![put("age", x)]),
        (Inert::Shape, vec![put("name", Scalar::Int(1))]),
        (Inert::Shape, vec![put("age", Scalar::Instant(1))]),
        (Inert::Shape, vec![put("age", Scalar::Counter(1))]),
        (Inert::NotJson, vec![put("prices", Scalar::Bytes(b"{ }"))]),
        (Inert::NotJson, vec![put("prices", Scalar::Bytes(b"{\"b\":1,\"a\":1}"))]),
        (Inert::NotJson, vec![put("prices", Scalar::Bytes(b"{\"a\":1,\"a\":1}"))]),
        (Inert::NotJson, vec![put("prices", Scalar::Bytes(&[0xff]))]),
        (Inert::Container, vec![put("notes", x)]),
        (Inert::Container, vec![put("visits", Scalar::Counter(0))]),
        (Inert::Container, vec![root("tags", Action::Delete, &[TAGS])]),
        (Inert::Container, vec![root("visits", Action::Delete, &[VISITS])]),
        (Inert::Shape, vec![root("name", Action::Increment(1), &[by_publisher(4)])]),
        (Inert::Preds, vec![root("visits", Action::Increment(1), &[])]),
        (Inert::Preds, vec![root("visits", Action::Increment(1), &[TAGS])]),
        (Inert::Preds, vec![root("visits", Action::Increment(1), &[by_publisher(4)])]),
        (Inert::Step, vec![root("visits", Action::Increment(i64::MIN), &[VISITS])]),
        (Inert::Preds, vec![root("name", Action::Delete, &[])]),
        (Inert::Preds, vec![root("name", Action::Delete, &[by_publisher(4); 2])]),
        (Inert::Key, vec![op(None, at(5), Action::Put(x), &[])]),
        (Inert::Key, vec![Op { insert: true, ..put("name", x) }]),
        (Inert::KeyTooLong, vec![tag(Key::Name(&long), one, &[])]),
        (Inert::Object, vec![op(Some(by_publisher(4)), bee, one, &[])]),
        (Inert::Object, vec![op(Some(VISITS), bee, one, &[])]),
        (Inert::Object, vec![op(Some(Id { counter: 4, ..TAGS }), bee, one, &[])]),
        (Inert::Key, vec![tag(Key::Name(""), one, &[])]),
        (Inert::Key, vec![tag(at(5), one, &[])]),
        (Inert::Key, vec![tag(Key::Head, one, &[])]),
        (Inert::Shape, vec![tag(bee, Action::Put(Scalar::Bool(false)), &[])]),
        (Inert::Shape, vec![tag(bee, Action::Increment(1), &[by_publisher(7)])]),
        (Inert::Preds, vec![tag(Key::Name("vip"), Action::Delete, &[])]),
        (Inert::Key, vec![insert(bee, x, &[])]),
        (Inert::Shape, vec![insert(Key::Head, Scalar::Str("xy"), &[])]),
        (Inert::Shape, vec![insert(Key::Head, Scalar::Str(""), &[])]),
        (Inert::Shape, vec![insert(Key::Head, Scalar::Int(1), &[])]),
        (Inert::Shape, vec![Op { insert: false, ..insert(at(5), x, &[]) }]),
        (Inert::Preds, vec![insert(at(5), x, &[by_publisher(5)])]),
        (Inert::Preds, vec![op(Some(NOTES), at(5), Action::Delete, &[by_publisher(6)])]),
        (Inert::Shape, vec![Op { insert: true, ..cut(5) }]),
        (Inert::UnknownOp, vec![insert(at(99), x, &[])]),
        (Inert::UnknownOp, vec![insert(Key::Element(mine(8)), x, &[])]),
        (Inert::UnknownOp, vec![insert(Key::Element(NOTES), x, &[])]),
        (Inert::UnknownOp, vec![root("name", Action::Put(x), &[by_publisher(8)])]),
        (Inert::UnknownOp, vec![root("name", Action::Put(x), &[mine(9)]), name()]),
        (Inert::OtherPlace, vec![insert(at(4), x, &[])]),
        (Inert::OtherPlace, vec![root("name", Action::Put(x), &[by_publisher(7)])]),
        (Inert::OtherPlace, vec![tag(bee, Action::Delete, &[by_publisher(7)])]),
        (Inert::OtherPlace, vec![cut(5), insert(Key::Element(mine(8)), x, &[])]),
        (Inert::MaxOp, vec![insert(at(MAX_COUNTER), x, &[])]),
    ];
    for (expected, ops) in cases {
        let standing = judged(&forge(ops.clone(), |_| ()));
        assert_eq!(standing, Standing::Inert(expected), "{ops:?}");
    }
}

#[test]
fn few_bytes_cannot_hold_many_operations() {
    let sum = op(None, Key::Name("visits"), Action::Increment(1), &[VISITS]);
    assert_eq!(judged(&forge(vec![sum.clone(); 300], |_| ())), Standing::Active);
    let tag = op(Some(TAGS), Key::Name("b"), Action::Put(Scalar::Bool(true)), &[]);
    let many = forge(vec![tag; 60_000], |_| ());
    assert!(many.len() < 200);
    assert_eq!(claimed_ops(&many), Ok(60_000));
    assert_eq!(judged(&many), Standing::Inert(Inert::Bloated));
    let cut = op(Some(NOTES), Key::Element(by_publisher(5)), Action::Delete, &[by_publisher(5)]);
    assert_eq!(judged(&forge(vec![cut; 2], |_| ())), Standing::Inert(Inert::Preds));
    assert_eq!(claimed_ops(&forge(vec![name()], |_| ())), Ok(1));
    assert_eq!(claimed_ops(&many[..many.len() - 1]), Err(Inert::Length));
}

#[test]
fn changes_with_a_wrong_frame_are_inert() {
    type Touch = fn(&mut Chunk<'_>);
    let cases: [(Inert, Touch); 14] = [
        (Inert::NoDeps, |chunk| chunk.deps.clear()),
        (Inert::NotCanonical, |chunk| chunk.deps.push(chunk.deps[0])),
        (Inert::TooManyNamed, |chunk| chunk.deps = vec![[0; 32]; 5000]),
        (Inert::Sequence, |chunk| chunk.seq = 0),
        (Inert::Sequence, |chunk| chunk.seq = 2),
        (Inert::StartOp, |chunk| chunk.start_op = 0),
        (Inert::StartOp, |chunk| chunk.start_op = 9),
        (Inert::MaxOp, |chunk| chunk.start_op = MAX_COUNTER),
        (Inert::MaxOp, |chunk| chunk.start_op = u64::MAX),
        (Inert::ForeignActor, |chunk| chunk.actor = &[1; 20]),
        (Inert::ForeignActor, |chunk| chunk.actor = &chunk.actor[..16]),
        (Inert::Actors, |chunk| chunk.others.push(&[9; 20])),
        (Inert::Actors, |chunk| chunk.others.push(chunk.actor)),
        (Inert::Actors, |chunk| chunk.others.insert(0, chunk.others[0])),
    ];
    for (at, (expected, touch)) in cases.into_iter().enumerate() {
        assert_eq!(judged(&forge(vec![name()], touch)), Standing::Inert(expected), "case {at}");
    }
    let unknown = forge(vec![name()], |chunk| chunk.deps = vec![[7; 32]]);
    assert_eq!(judged(&unknown), Standing::Waiting);
}

#[test]
fn bytes_that_are_no_raw_change_are_inert() {
    let good = forge(vec![name()], |_| ());
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let fields = Fields::from([("name".to_owned(), Value::Str("long ".repeat(100)))]);
    let long = first_change(&schema(), &log(2), &fields).expect("fits");
    let compressed = Change::from_bytes(long).expect("reads").bytes().to_vec();
    let cases = [
        (Inert::Truncated, Vec::new()),
        (Inert::Truncated, good[..7].to_vec()),
        (Inert::Magic, with(0, 0)),
        (Inert::Checksum, with(4, good[4] ^ 1)),
        (Inert::ChunkType, with(8, 0)),
        (Inert::ChunkType, with(8, 3)),
        (Inert::ChunkType, compressed),
        (Inert::Length, good[..good.len() - 1].to_vec()),
        (Inert::Length, [good.as_slice(), &[0]].concat()),
        (Inert::Length, [good.as_slice(), &good].concat()),
        (Inert::TooLong, vec![0; MAX_CHANGE_BYTES + 1]),
    ];
    for (expected, bytes) in cases {
        assert_eq!(judged(&bytes), Standing::Inert(expected));
    }
}

/// A chunk with these columns, whatever they hold.
fn columns(columns: &[(u64, &[u8])]) -> Vec<u8> {
    let mut bytes = forge(Vec::new(), |_| ());
    let start = 4 + 4 + 1 + 1;
    let mut body = bytes.split_off(start);
    assert_eq!(body.pop(), Some(0), "no columns");
    column::put_unsigned(&mut body, columns.len() as u64);
    for (spec, data) in columns {
        column::put_unsigned(&mut body, *spec);
        column::put_unsigned(&mut body, data.len() as u64);
    }
    body.extend(columns.iter().flat_map(|(_, data)| data.iter()));
    bytes.truncate(start - 1);
    column::put_unsigned(&mut bytes, body.len() as u64);
    bytes.extend(body);
    bytes
}

#[test]
fn columns_that_would_unfold_or_do_not_fit_are_inert() {
    // One put of true at "a".
    const NAME: &[u8] = &[0x7f, 1, b'a'];
    const ROW: [(u64, &[u8]); 5] =
        [(0x15, NAME), (0x34, &[1]), (0x42, &[0x7f, 1]), (0x56, &[0x7f, 2]), (0x70, &[0x7f, 0])];
    let row = |changed: u64, data: &'static [u8]| {
        columns(&ROW.map(|(spec, old)| if spec == changed { (spec, data) } else { (spec, old) }))
    };
    let extra = |spec: u64, data: &'static [u8]| {
        let mut row = ROW.to_vec();
        row.push((spec, data));
        row.sort();
        columns(&row)
    };
    let object = |actor: &'static [u8]| {
        let mut row = vec![(0x01, actor), (0x02, &[0x7f, 1][..])];
        row.extend(ROW);
        columns(&row)
    };
    let cases = [
        (Inert::Checksum, row(0, &[])),
        (Inert::TooManyOps, row(0x42, &[0x80, 0x80, 0x80, 0x80, 0x10, 1])),
        (Inert::TooManyOps, row(0x15, &[0, 0x80, 0x80, 0x80, 0x80, 0x10])),
        (Inert::TooManyOps, row(0x34, &[0x80, 0x80, 0x80, 0x80, 0x10])),
        (Inert::Preds, row(0x70, &[0x7f, 0x80, 0x80, 0x80, 0x80, 0x10])),
        (Inert::Deflated, extra(0x42 | 8, &[1])),
        (Inert::Column, extra(0x20, &[1])),
        (Inert::Column, extra(0x42, &[0x7f, 1])),
        (Inert::Mark, extra(0x94, &[0, 1])),
        (Inert::Mark, extra(0xa5, &[0x7f, 1, b'm'])),
        (Inert::Mark, row(0x42, &[0x7f, 7])),
        (Inert::Action, row(0x42, &[0x7f, 8])),
        (Inert::Action, row(0x42, &[0, 1])),
        (Inert::Makes, row(0x42, &[0x7f, 2])),
        (Inert::Makes, row(0x42, &[0x7f, 6])),
        (Inert::ValueType, row(0x42, &[0x7f, 3])),
        (Inert::ValueType, row(0x56, &[0x7f, 0])),
        (Inert::ValueType, row(0x56, &[0x7f, 10])),
        (Inert::Truncated, row(0x56, &[0x7f, 0x16])),
        (Inert::Utf8, row(0x15, &[0x7f, 1, 0xff])),
        (Inert::Key, row(0x15, &[])),
        (Inert::Key, extra(0x01, &[0x7f, 0])),
        (Inert::Actors, object(&[0x7f, 4])),
        (Inert::Number, extra(0x13, &[0x7f, 0x7f])),
        (Inert::Number, row(0x42, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02])),
        (Inert::ColumnLengths, row(0x15, &[2, 1, b'a'])),
        (Inert::ColumnLengths, extra(0x57, b"rest")),
        (Inert::NotCanonical, row(0x42, &[1, 1])),
        (Inert::NotCanonical, row(0x42, &[0xff, 0x7f, 1])),
        (Inert::NotCanonical, row(0x70, &[0x7f, 0x80, 0])),
    ];
    for (at, (expected, bytes)) in cases.into_iter().enumerate() {
        assert_eq!(judged(&bytes), Standing::Inert(expected), "case {at}");
    }
}

#[test]
fn what_automerge_can_write_and_a_facet_does_not_take_is_inert() {
    let text = |doc: &Automerge| doc.get(ROOT, "notes").expect("reads").expect("made").1;
    type Made = fn(&mut automerge::transaction::Transaction<'_>, automerge::ObjId);
    let cases: [(Inert, Made); 6] = [
        (Inert::Makes, |to, _| drop(to.put_object(ROOT, "name", ObjType::List))),
        (Inert::Makes, |to, _| drop(to.put_object(ROOT, "notes", ObjType::Text))),
        (Inert::ValueType, |to, _| drop(to.put(ROOT, "age", 1.5))),
        (Inert::ValueType, |to, _| drop(to.put(ROOT, "age", ScalarValue::Null))),
        (Inert::ValueType, |to, _| drop(to.put(ROOT, "age", 1u64))),
        (Inert::Mark, |to, text| {
            let mark = automerge::marks::Mark::new("bold".to_owned(), true, 0, 1);
            drop(to.mark(text, mark, automerge::marks::ExpandMark::After));
        }),
    ];
    let first = first_change(
        &schema(),
        &log(1),
        &Fields::from([("notes".to_owned(), Value::Text("hi".into()))]),
    );
    let first = first.expect("fits");
    for (expected, made) in cases {
        let mut doc = schema().document();
        doc.apply_changes([read(&first).expect("reads")]).expect("applies");
        doc.set_actor(actor_of(&log(2), 0).as_slice().into());
        let notes = text(&doc);
        let mut to = doc.transaction();
        made(&mut to, notes);
        to.commit();
        let change = doc.get_last_local_change().expect("made").raw_bytes().to_vec();
        let mut facet = Facet::new(&schema());
        facet.insert(leaf(1, 1, &first));
        assert_eq!(facet.insert(leaf(2, 1, &change)), Standing::Inert(expected));
    }
    let good = read(&forge(vec![name()], |_| ())).expect("reads").decode();
    let mut framed = [good.clone(), good.clone(), good];
    framed[0].time = 1;
    framed[1].message = Some("m".into());
    framed[2].extra_bytes = vec![1];
    let reasons = [Inert::Time, Inert::Message, Inert::ExtraBytes];
    for (expected, change) in reasons.into_iter().zip(framed) {
        assert_eq!(judged(Change::from(change).raw_bytes()), Standing::Inert(expected));
    }
}

#[test]
fn a_change_stands_only_on_its_own_and_its_publishers() {
    let mut facet = published();
    let published = facet.heads();
    let good = forge(vec![name()], |_| ());
    assert_eq!(facet.insert(leaf(2, 1, &good)), Standing::Active);
    let beside = forge(vec![name()], |chunk| chunk.seq = 2);
    assert_eq!(facet.insert(leaf(2, 2, &beside)), Standing::Inert(Inert::NotAfterOwn));
    assert_eq!(facet.insert(leaf(2, 3, &good)), Standing::Inert(Inert::Sequence));

    let hash = read(&beside).expect("reads").hash().0;
    let (third, genesis) = (actor_of(&log(3), 0), schema().genesis().0);
    let by_third = |deps: Vec<Hash>, start_op| {
        let chunk = Chunk {
            deps,
            actor: &third,
            seq: 1,
            start_op,
            others: vec![],
            ops: vec![Op { preds: vec![], ..name() }],
        };
        sealed(chunk.encode())
    };
    let after = by_third(vec![hash], 9);
    assert_eq!(facet.insert(leaf(3, 1, &after)), Standing::Inert(Inert::Ancestor));
    let alone = by_third(vec![genesis], 4);
    let mut other = facet.clone();
    assert_eq!(Facet::new(&schema()).insert(leaf(3, 1, &alone)), Standing::Inert(Inert::Uninvited));
    assert_eq!(first_values(&schema(), &leaf(3, 1, &alone)), Err(Inert::Uninvited));
    let ours = Leaf { by_publisher: true, ..leaf(3, 1, &alone) };
    assert_eq!(Facet::new(&schema()).insert(ours), Standing::Active);
    let foreign = Leaf { log: log(4), ..leaf(3, 1, &alone) };
    assert_eq!(other.insert(foreign), Standing::Inert(Inert::ForeignActor));
    assert_eq!(published.len(), 1);
}

#[test]
fn no_change_of_one_byte_goes_unnoticed() {
    let change = forge(vec![name()], |_| ());
    for at in 0..change.len() {
        for bit in 0..8 {
            let mut bytes = change.clone();
            bytes[at] ^= 1 << bit;
            assert!(matches!(judged(&bytes), Standing::Inert(_)), "byte {at}, bit {bit}");
            // Nor if the author seals it again: then it is another change, and judged as such.
            let again = sealed(bytes);
            let _judged_without_panic = judged(&again);
        }
    }
}

#[test]
fn a_chunk_reads_back_what_any_edit_writes() {
    let mut facet = published();
    for seq in 1..40u64 {
        let edits = [
            Edit::Put("name".into(), Value::Str(format!("n{}", seq % 3))),
            Edit::Splice { field: "notes".into(), at: 1, delete: 1, insert: "ab…".into() },
            Edit::SetAdd("tags".into(), format!("t{}", seq % 5)),
            Edit::Increment("visits".into(), 1 << (seq % 31)),
        ];
        let change = facet.edit(&log(2), &edits).expect("fits").expect("changes something");
        let chunk = Chunk::decode(&change).expect("canonical");
        assert!(is_sealed(&change, &read(&change).expect("reads").hash().0));
        assert_eq!(sealed(chunk.encode()), change);
        assert_eq!(facet.insert(leaf(2, seq, &change)), Standing::Active);
    }
}

/// Operations of every form, whether they make sense or not; automerge is given no other.
fn any_op(mut dice: impl FnMut(u64) -> usize) -> Op<'static> {
    const COUNTERS: [u64; 6] = [1, 2, 63, 128, 70_000, MAX_COUNTER - 1];
    const NAMES: [&str; 5] = ["", "name", "é", "tags", "a name of more than twenty-two bytes"];
    const NUMBERS: [i64; 6] = [0, -1, 63, 64, i64::MIN, i64::MAX];
    let id = |dice: &mut dyn FnMut(u64) -> usize| Id {
        actor: dice(3),
        counter: COUNTERS[dice(COUNTERS.len() as u64)],
    };
    let number = NUMBERS[dice(6)];
    let text = NAMES[dice(5)];
    Op {
        object: (dice(2) == 0).then(|| id(&mut dice)),
        key: match dice(4) {
            0 => Key::Head,
            1 => Key::Element(id(&mut dice)),
            _ => Key::Name(NAMES[dice(5)]),
        },
        insert: dice(3) == 0,
        action: match dice(10) {
            0 => Action::MakeMap,
            1 => Action::MakeText,
            2 => Action::Delete,
            3 => Action::Increment(number),
            4 => Action::Put(Scalar::Bool(number > 0)),
            5 => Action::Put(Scalar::Int(number)),
            6 => Action::Put(Scalar::Instant(number)),
            7 => Action::Put(Scalar::Counter(number)),
            8 => Action::Put(Scalar::Bytes(text.as_bytes())),
            _ => Action::Put(Scalar::Str(text)),
        },
        preds: (0..dice(4)).map(|_| id(&mut dice)).collect(),
    }
}

#[test]
fn whatever_is_identified_automerge_reads_as_the_same() {
    let mut seed = 1u64;
    let mut dice = move |sides: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 33) % sides) as usize
    };
    for _ in 0..3000 {
        let ops = (0..dice(9)).map(|_| any_op(&mut dice)).collect();
        let change = forge(ops, |chunk| {
            chunk.deps.extend((0..dice(3)).map(|_| [dice(200) as u8; 32]));
            chunk.deps.sort();
            chunk.deps.dedup();
            chunk.seq = [0, 1, 127, u64::MAX][dice(4)];
            chunk.start_op = [1, 8, 300, MAX_COUNTER - 9][dice(4)];
        });
        let (identity, chunk) = identify(&change, &log(2)).expect("well formed");
        let read = understand(&change, &identity).expect("automerge reads it");
        assert_eq!((read.len(), read.seq()), (chunk.ops.len(), identity.seq));
    }
}

#[test]
fn what_automerge_refuses_or_panics_at_is_inert() {
    assert_eq!(read(b"no chunk").map(drop), Err(Inert::Unreadable));
    assert_eq!(guarded::<()>(|| panic!("as automerge might")), Err(Inert::Panicked));
}

#[test]
fn every_reason_has_a_code_of_its_own() {
    assert_eq!(Inert::NotAfterOwn.code(), "not-after-own");
    assert_eq!(Inert::Panicked.to_string(), "automerge panicked");
}

proptest! {
    #[test]
    fn any_columns_are_judged_without_panic(
        specs in proptest::collection::btree_map(0u64..0xa6, proptest::collection::vec(any::<u8>(), 0..12), 0..8),
    ) {
        let specs: Vec<(u64, &[u8])> = specs.iter().map(|(spec, data)| (*spec, data.as_slice())).collect();
        let change = sealed(columns(&specs));
        prop_assert!(specs.iter().all(|(_, data)| data.is_empty()) || judged(&change) != Standing::Waiting);
    }

    #[test]
    fn run_lengths_read_back_what_was_written(rows in proptest::collection::vec(proptest::option::of(0u64..3), 0..40)) {
        let mut out = Vec::new();
        put_runs(&mut out, &rows);
        let mut runs = Runs::new(&out);
        for row in &rows {
            prop_assert_eq!(runs.next(), Ok(*row));
        }
        prop_assert!(runs.done());
    }
}
