//! Facets from the outside: round trips, editing, convergence.

use super::*;
use proptest::prelude::*;

use crate::change::chunk::{Chunk, seal};
use crate::change::read;
use crate::statement::FieldSpec;
use crate::value::{Fields, Shape, Value};

fn schema() -> Schema {
    let specs = [
        ("active", Shape::Bool),
        ("age", Shape::Int),
        ("born", Shape::Instant),
        ("name", Shape::Str),
        ("prices", Shape::Json),
        ("notes", Shape::Text),
        ("tags", Shape::Set),
        ("visits", Shape::Counter),
    ];
    Schema::new(&specs.map(|(name, shape)| FieldSpec { name: name.into(), shape }))
}

fn log(id: u8) -> LogId {
    LogId([id; 32])
}

fn set(elements: &[&str]) -> Value {
    Value::Set(elements.iter().map(|element| (*element).to_owned()).collect())
}

fn full() -> Fields {
    [
        ("active", Value::Bool(true)),
        ("age", Value::Int(-41)),
        ("born", Value::Instant(1_700_000_000_123)),
        ("name", Value::Str("Ada ✈ Lovelace".into())),
        ("prices", Value::Json(r#"{"a":[1,2.5],"b":null}"#.into())),
        ("notes", Value::Text("héllo 👩‍👩‍👧 world".into())),
        ("tags", set(&["press", "vip"])),
        ("visits", Value::Counter(-7)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn leaf(log: LogId, seq: u64, by_publisher: bool, change: &[u8]) -> Leaf<'_> {
    Leaf { log, position: (seq, 0), by_publisher, change: Some(change) }
}

/// A facet with the publisher's first leaf at (1, 0) of log 1.
fn published(schema: &Schema, fields: &Fields) -> Facet {
    let mut facet = Facet::new(schema);
    let change = first_change(schema, &log(1), fields).expect("fits");
    assert_eq!(facet.insert(leaf(log(1), 1, true, &change)), Standing::Active);
    facet
}

fn edit(facet: &mut Facet, by: u8, seq: u64, edits: &[Edit]) -> Vec<u8> {
    let change = facet.edit(&log(by), edits).expect("may be edited").expect("changes something");
    assert_eq!(facet.insert(leaf(log(by), seq, by == 1, &change)), Standing::Active);
    change
}

#[test]
fn a_facet_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<(Schema, Facet)>();
}

#[test]
fn genesis_follows_from_the_fields_in_any_order() {
    let mut fields = schema().fields().to_vec();
    fields.reverse();
    assert_eq!(Schema::new(&fields).genesis(), schema().genesis());
    assert_eq!(Schema::open(&fields).genesis(), schema().genesis());
    assert_ne!(Schema::new(&fields[..3]).genesis(), schema().genesis());
}

#[test]
fn a_first_change_reads_the_same_with_and_without_a_document() {
    let schema = schema();
    for fields in [Fields::new(), full()] {
        let change = first_change(&schema, &log(1), &fields).expect("fits");
        assert_eq!(first_values(&schema, &leaf(log(1), 1, true, &change)), Ok(fields.clone()));
        assert_eq!(published(&schema, &fields).values(), fields);
    }
}

#[test]
fn a_first_change_is_what_automerge_itself_would_encode() {
    let schema = schema();
    let change = first_change(&schema, &log(1), &full()).expect("fits");
    let read = Change::from_bytes(change.clone()).expect("reads");
    assert_eq!(Change::from(read.decode()).raw_bytes(), change);
    let again = Facet::new(&schema)
        .edit(&log(1), &full().into_iter().map(|(f, v)| Edit::Put(f, v)).collect::<Vec<_>>())
        .expect("fits")
        .expect("changes something");
    assert_eq!(first_values(&schema, &leaf(log(1), 1, true, &again)), Ok(full()));
    assert_eq!(Chunk::decode(&again).map(|chunk| chunk.ops.len()), Ok(read.len()));
}

#[test]
fn a_book_takes_open_fields_and_a_compartment_does_not() {
    let fields = Fields::from([
        ("x_shoe".to_owned(), Value::Str("42".into())),
        ("x_list".to_owned(), Value::Json("[1]".into())),
    ]);
    let book = Schema::open(schema().fields());
    let facet = published(&book, &fields);
    assert_eq!(facet.values(), fields);
    let change = first_change(&book, &log(1), &fields).expect("fits");
    assert_eq!(first_values(&book, &leaf(log(1), 1, true, &change)), Ok(fields.clone()));
    assert!(matches!(first_change(&schema(), &log(1), &fields), Err(EditError::Field(_))));
    assert_eq!(first_values(&schema(), &leaf(log(1), 1, true, &change)), Err(Inert::Field),);
    let number = Fields::from([("x_n".to_owned(), Value::Int(1))]);
    assert!(matches!(first_change(&book, &log(1), &number), Err(EditError::Shape(_))));
}

#[test]
fn every_shape_can_be_edited_and_cleared() {
    let schema = schema();
    let mut facet = published(&schema, &Fields::new());
    let puts: Vec<Edit> = full().into_iter().map(|(f, v)| Edit::Put(f, v)).collect();
    edit(&mut facet, 1, 2, &puts);
    assert_eq!(facet.values(), full());
    assert_eq!(facet.edit(&log(1), &puts).expect("fits"), None);
    edit(
        &mut facet,
        2,
        1,
        &[
            Edit::SetAdd("tags".into(), "new".into()),
            Edit::SetRemove("tags".into(), "vip".into()),
            Edit::Increment("visits".into(), 10),
            Edit::Splice { field: "notes".into(), at: 1, delete: 1, insert: "e".into() },
        ],
    );
    assert_eq!(facet.get("tags"), Some(set(&["new", "press"])));
    assert_eq!(facet.get("visits"), Some(Value::Counter(3)));
    assert_eq!(facet.get("notes"), Some(Value::Text("hello 👩‍👩‍👧 world".into())));
    let clears: Vec<Edit> = full().into_keys().map(Edit::Clear).collect();
    edit(&mut facet, 3, 1, &clears);
    assert_eq!(facet.values(), Fields::new());
    assert_eq!(facet.active_len(), 4);
    assert_eq!(facet.history("visits").len(), 3);
    assert_eq!(facet.history("name").last().map(|entry| entry.value.clone()), Some(None));
}

#[test]
fn an_edit_that_does_not_fit_is_refused() {
    let facet = published(&schema(), &full());
    let long = "x".repeat(1025);
    let put = |field: &str, value| Edit::Put(field.into(), value);
    let splice = |at, delete| Edit::Splice { field: "notes".into(), at, delete, insert: "".into() };
    type Expected = fn(&EditError) -> bool;
    let cases: [(Edit, Expected); 13] = [
        (put("nope", Value::Int(1)), |e| matches!(e, EditError::Field(_))),
        (Edit::Clear("nope".into()), |e| matches!(e, EditError::Field(_))),
        (Edit::SetAdd("nope".into(), "a".into()), |e| matches!(e, EditError::Field(_))),
        (Edit::Increment("nope".into(), 1), |e| matches!(e, EditError::Field(_))),
        (Edit::Increment("age".into(), 1), |e| matches!(e, EditError::Shape(_))),
        (put("age", Value::Str("1".into())), |e| matches!(e, EditError::Shape(_))),
        (put("prices", Value::Json("{".into())), |e| matches!(e, EditError::NotJson(_))),
        (Edit::SetAdd("tags".into(), "".into()), |e| matches!(e, EditError::Element(_))),
        (Edit::SetAdd("tags".into(), long), |e| matches!(e, EditError::Element(_))),
        (Edit::SetAdd("name".into(), "a".into()), |e| matches!(e, EditError::Shape(_))),
        (Edit::Increment("visits".into(), i64::MAX), |e| matches!(e, EditError::Overflow(_))),
        (splice(16, 9), |e| matches!(e, EditError::OutOfRange(_))),
        (
            Edit::Splice { field: "notes".into(), at: 0, delete: 0, insert: "ab".repeat(40_000) },
            |e| matches!(e, EditError::WouldNotStand(Inert::TooManyOps)),
        ),
    ];
    for (edit, expected) in cases {
        let error = facet.edit(&log(1), std::slice::from_ref(&edit)).expect_err("does not fit");
        assert!(expected(&error), "{edit:?}: {error:?}");
    }
}

#[test]
fn concurrent_changes_converge_and_show_as_conflicts() {
    let schema = schema();
    let mut left = published(&schema, &full());
    let mut right = left.clone();
    let a = edit(
        &mut left,
        2,
        1,
        &[
            Edit::Put("name".into(), Value::Str("two".into())),
            Edit::SetAdd("tags".into(), "vip".into()),
            Edit::Increment("visits".into(), 1),
        ],
    );
    let b = edit(
        &mut right,
        3,
        1,
        &[
            Edit::Put("name".into(), Value::Str("three".into())),
            Edit::SetRemove("tags".into(), "vip".into()),
            Edit::Increment("visits".into(), 2),
        ],
    );
    left.insert(leaf(log(3), 1, false, &b));
    right.insert(leaf(log(2), 1, false, &a));
    assert_eq!(left.values(), right.values());
    assert_eq!(left.get("tags"), Some(set(&["press", "vip"])));
    assert_eq!(left.get("visits"), Some(Value::Counter(-4)));
    let conflicts = left.conflicts();
    assert_eq!(conflicts.keys().collect::<Vec<_>>(), ["name"]);
    let logs: Vec<LogId> = conflicts["name"].iter().map(|(change, _)| change.log).collect();
    assert_eq!(logs, [log(2), log(3)]);
    assert_eq!(left.get("name"), Some(conflicts["name"][1].1.clone()));
    edit(&mut left, 1, 2, &[Edit::Put("name".into(), Value::Str("one".into()))]);
    assert!(left.conflicts().is_empty());
}

#[test]
fn undo_brings_back_what_a_change_replaced() {
    let mut facet = published(&schema(), &full());
    edit(
        &mut facet,
        2,
        1,
        &[
            Edit::Put("name".into(), Value::Str("wrong".into())),
            Edit::Clear("age".into()),
            Edit::SetRemove("tags".into(), "vip".into()),
            Edit::SetAdd("tags".into(), "spam".into()),
            Edit::Increment("visits".into(), 100),
            Edit::Splice { field: "notes".into(), at: 6, delete: 0, insert: "bad ".into() },
        ],
    );
    edit(
        &mut facet,
        3,
        1,
        &[
            Edit::Put("active".into(), Value::Bool(false)),
            Edit::Splice { field: "notes".into(), at: 0, delete: 0, insert: "! ".into() },
        ],
    );
    let of = ChangeRef { log: log(2), position: (1, 0) };
    let change = facet.undo(&log(1), of).expect("known").expect("changes something");
    assert_eq!(facet.insert(leaf(log(1), 2, true, &change)), Standing::Active);
    let mut expected = full();
    expected.insert("active".into(), Value::Bool(false));
    expected.insert("notes".into(), Value::Text("! héllo 👩‍👩‍👧 world".into()));
    assert_eq!(facet.values(), expected);
    let nobody = ChangeRef { log: log(9), position: (1, 0) };
    assert!(matches!(facet.undo(&log(1), nobody), Err(EditError::NoSuchChange)));
}

#[test]
fn an_author_whose_change_does_not_count_goes_on_as_its_next_actor() {
    let schema = schema();
    let put = |text: &str| [Edit::Put("name".into(), Value::Str(text.into()))];
    let mut ahead = published(&schema, &full());
    let lost = edit(&mut ahead, 3, 1, &put("lost"));
    let own = edit(&mut ahead, 2, 1, &put("on top of it"));

    // The third log was cut to nothing, so the second one's change hangs in the air.
    let mut facet = published(&schema, &full());
    assert_eq!(facet.insert(leaf(log(2), 1, false, &own)), Standing::Waiting);
    let first = edit(&mut facet, 2, 2, &put("again"));
    let second = edit(&mut facet, 2, 3, &put("and again"));
    let actor = |bytes: &[u8]| Chunk::decode(bytes).map(|chunk| chunk.actor[16..].to_vec());
    assert_eq!(actor(&own), Ok(vec![0, 0, 0, 0]));
    assert_eq!(actor(&first), Ok(vec![0, 0, 0, 1]));
    assert_eq!(actor(&second), Ok(vec![0, 0, 0, 1]));
    assert_eq!(facet.get("name"), Some(Value::Str("and again".into())));

    // Should it come after all, everything counts.
    assert_eq!(facet.insert(leaf(log(3), 1, false, &lost)), Standing::Active);
    assert!(facet.standings().all(|(_, standing)| standing == Standing::Active));
}

#[test]
fn a_redacted_leaf_and_what_follows_it_do_not_count() {
    let schema = schema();
    let mut ahead = published(&schema, &full());
    let second = edit(&mut ahead, 1, 2, &[Edit::Clear("age".into())]);
    let mut facet = Facet::new(&schema);
    let redacted = Leaf { change: None, ..leaf(log(1), 1, true, &[]) };
    assert_eq!(facet.insert(redacted), Standing::Inert(Inert::Redacted));
    assert_eq!(facet.insert(leaf(log(1), 2, true, &second)), Standing::Inert(Inert::Sequence),);
    assert_eq!(facet.values(), Fields::new());
    let next = facet.first(&log(1), &Fields::new()).expect("fits");
    assert_eq!(Chunk::decode(&next).map(|c| c.actor[19]), Ok(2));
    assert_eq!(facet.insert(leaf(log(1), 3, true, &next)), Standing::Active);
}

#[test]
fn a_document_that_is_made_anew_holds_the_same() {
    let mut facet = published(&schema(), &full());
    edit(&mut facet, 2, 1, &[Edit::Clear("age".into()), Edit::SetAdd("tags".into(), "a".into())]);
    let before = facet.values();
    facet.document = Automerge::new();
    facet.rebuild();
    assert_eq!(facet.values(), before);
}

#[test]
fn a_change_that_automerge_only_queues_is_not_applied() {
    let mut ahead = published(&schema(), &full());
    let second = edit(&mut ahead, 1, 2, &[Edit::Clear("age".into())]);
    let mut document = schema().document();
    let change = read(&second).expect("reads");
    assert_eq!(apply(&mut document, &change), Err(Inert::NotApplied));
}

/// Any choice, from a seed: splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

fn any_edit(dice: &mut Dice, facet: &Facet) -> Edit {
    let tag = format!("t{}", dice.below(3));
    let len = match facet.get("notes") {
        Some(Value::Text(text)) => text.chars().count(),
        Some(_) | None => 0,
    };
    match dice.below(8) {
        0 => Edit::Put("name".into(), Value::Str(format!("n{}", dice.below(4)))),
        1 => Edit::Put("age".into(), Value::Int(dice.below(4) as i64)),
        2 => Edit::Clear("name".into()),
        3 => Edit::SetAdd("tags".into(), tag),
        4 => Edit::SetRemove("tags".into(), tag),
        5 => Edit::Increment("visits".into(), dice.below(9) as i64 - 4),
        6 => Edit::Put("prices".into(), Value::Json(format!("[{}]", dice.below(3)))),
        _ => {
            let at = dice.below(len + 1);
            let delete = dice.below(len - at + 1).min(3);
            Edit::Splice {
                field: "notes".into(),
                at,
                delete,
                insert: "xyz"[dice.below(3)..].into(),
            }
        }
    }
}

/// Makes a change hostile, or leaves it; `None` redacts it.
fn spoil(dice: &mut Dice, change: Vec<u8>, seen: &[Hash]) -> Option<Vec<u8>> {
    let mut chunk = Chunk::decode(&change).expect("was right");
    let mut actor = chunk.actor.to_vec();
    match dice.below(24) {
        0 => chunk.seq += 1,
        1 => chunk.start_op += 1,
        2 => chunk.deps = vec![seen[dice.below(seen.len())]],
        3 => chunk.deps.extend(seen.get(dice.below(seen.len()))),
        4 => actor[19] += 1,
        5 => chunk.ops.truncate(1),
        6 => return None,
        7 => return Some(change[..change.len() - 1].to_vec()),
        8 => chunk.deps = vec![[9; 32]],
        _ => return Some(change),
    }
    chunk.actor = &actor;
    chunk.deps.sort();
    chunk.deps.dedup();
    let mut bytes = chunk.encode();
    if let Ok(change) = read(&bytes) {
        seal(&mut bytes, &change.hash().0);
    }
    Some(bytes)
}

type Logs = [Vec<Option<Vec<u8>>>; 3];

fn give(facet: &mut Facet, logs: &Logs, by: usize, at: usize) -> Standing {
    let change = logs[by][at].as_deref();
    let id = log(by as u8 + 1);
    facet.insert(Leaf { log: id, position: (at as u64, 0), by_publisher: by == 0, change })
}

/// Three authors who see more or less of each other write, and now and then misbehave.
fn written(dice: &mut Dice, schema: &Schema) -> Logs {
    let first = first_change(schema, &log(1), &full()).expect("fits");
    let mut logs: Logs = [vec![Some(first)], vec![], vec![]];
    let mut views = [Facet::new(schema), Facet::new(schema), Facet::new(schema)];
    let mut held = [[0usize; 3]; 3];
    let mut seen = vec![schema.genesis().0];
    for _ in 0..30 {
        let who = dice.below(3);
        for from in 0..3 {
            let upto =
                if from == who { logs[from].len() } else { dice.below(logs[from].len() + 1) };
            for at in held[who][from]..upto {
                give(&mut views[who], &logs, from, at);
            }
            held[who][from] = held[who][from].max(upto);
        }
        let edits = [any_edit(dice, &views[who]), any_edit(dice, &views[who])];
        // The second may have been drawn for a text that the first one shortens.
        let Ok(Some(change)) = views[who].edit(&log(who as u8 + 1), &edits) else { continue };
        let change = spoil(dice, change, &seen);
        let hash = change.as_deref().and_then(|change| read(change).ok()).map(|c| c.hash().0);
        seen.extend(hash);
        logs[who].push(change);
    }
    logs
}

/// All leaves, the logs interleaved by chance.
fn gathered(dice: &mut Dice, schema: &Schema, logs: &Logs) -> Facet {
    let mut facet = Facet::new(schema);
    let mut given = [0; 3];
    loop {
        let open: Vec<usize> = (0..3).filter(|by| given[*by] < logs[*by].len()).collect();
        if open.is_empty() {
            return facet;
        }
        let by = open[dice.below(open.len())];
        give(&mut facet, logs, by, given[by]);
        let again = dice.below(given[by] + 1);
        give(&mut facet, logs, by, again);
        given[by] += 1;
    }
}

proptest! {
    #[test]
    fn a_first_leaf_reads_the_same_with_and_without_a_document(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let schema = schema();
        let mut facet = Facet::new(&schema);
        let edits: Vec<Edit> = (0..12)
            .map(|_| match any_edit(&mut dice, &facet) {
                // Positions within what the edits before it have surely written.
                Edit::Splice { field, insert, .. } => {
                    Edit::Splice { field, at: 0, delete: 0, insert }
                }
                edit => edit,
            })
            .chain([Edit::Put("notes".into(), Value::Text("x yz, ab".into()))])
            .collect();
        if let Some(change) = facet.edit(&log(1), &edits).expect("fits") {
            let leaf = leaf(log(1), 1, true, &change);
            let straight = first_values(&schema, &leaf);
            prop_assert_eq!(facet.insert(leaf), Standing::Active);
            prop_assert_eq!(straight, Ok(facet.values()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_same_leaves_come_to_the_same_state_in_any_order(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let schema = schema();
        let logs = written(&mut dice, &schema);
        let one = gathered(&mut dice, &schema, &logs);
        for _ in 0..4 {
            let other = gathered(&mut dice, &schema, &logs);
            prop_assert_eq!(one.values(), other.values());
            prop_assert_eq!(one.conflicts(), other.conflicts());
            prop_assert_eq!(one.heads(), other.heads());
            prop_assert_eq!(one.history("notes"), other.history("notes"));
            let standings: Vec<_> = one.standings().collect();
            prop_assert_eq!(standings, other.standings().collect::<Vec<_>>());
        }
    }
}
