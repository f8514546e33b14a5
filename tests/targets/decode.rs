//! Decoders: no bytes make them panic, and what they take has one encoding.

use std::fmt::Debug;

use automerge::legacy::OpType;
use automerge::{Change, ScalarValue};
use minicbor::{Decode, Encode};

use super::bytes::{Bytes, framed};
use crate::bundle::{Bundle, Verified};
use crate::change::chunk::{Action, Chunk, Op, Scalar};
use crate::change::{canonical_json, check_ops, claimed_ops, guarded, identify, read, understand};
use crate::codec;
use crate::facet::{Leaf, Schema, first_values};
use crate::fork::ForkProof;
use crate::grant::Grants;
use crate::id::{CompartmentId, GrantId, LogId, Nonce, OrgId, ShareId, StatementId};
use crate::identity::Directory;
use crate::message::{Frame, InviteLine, MAX_FRAME_BYTES};
use crate::select::Selector;
use crate::sign::SigningKey;
use crate::statement::{Body, FieldSpec, Statement, StatementError};
use crate::time::Hlc;
use crate::value::{Fields, Shape, Value};
use crate::vocabulary::{self, Kind};

/// What is taken encodes to the bytes it came from and reads back as the same.
fn canonical<'b, T>(bytes: &'b [u8], limit: usize) -> Option<T>
where
    T: Decode<'b, ()> + Encode<()> + PartialEq + Debug,
{
    let value: T = codec::from_bytes(bytes, limit).ok()?;
    assert!(bytes.len() <= limit);
    assert_eq!(codec::to_bytes(&value), bytes);
    assert_eq!(codec::own::<T>(bytes).expect("own bytes"), value);
    Some(value)
}

/// A statement as it travels, and any body that somebody signs.
pub fn statement(data: &[u8]) {
    let mut said = Vec::new();
    said.extend(Statement::open(data).ok());
    if let Some(body) = canonical::<Body>(data, data.len()) {
        let key = SigningKey::from_bytes(&[1; 32]);
        let signed = Statement::sign(OrgId([1; 32]), &key, Hlc(1 << 16), body);
        match Statement::open(signed.bytes()) {
            Ok(opened) => {
                assert_eq!(opened, signed);
                said.push(opened);
            }
            Err(StatementError::List | StatementError::Codec(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let (mut directory, mut grants) = (Directory::default(), Grants::default());
    for statement in &said {
        assert_eq!(Statement::stored(statement.bytes()).expect("own bytes"), *statement);
        let _ = directory.authority(statement);
        directory.insert(statement);
        grants.insert(statement);
        let _ = grants.chain(&statement.id().into());
    }
}

/// A frame of the sync stream.
pub fn frame(data: &[u8]) {
    if let Some(Frame::Fork { proof }) = canonical::<Frame>(data, MAX_FRAME_BYTES) {
        let _ = proof.holds();
    }
    canonical::<InviteLine>(data, 4096);
}

/// A bundle as it travels, and the same signed by somebody.
pub fn bundle(data: &[u8]) {
    if let Some(proof) = canonical::<ForkProof>(data, data.len()) {
        let _ = proof.holds();
    }
    let _ = Verified::open(data);
    let Some(bundle) = canonical::<Bundle>(data, data.len()) else { return };
    if bundle.leaves.is_empty() || bundle.leaves.len() > crate::bundle::MAX_LEAVES {
        return;
    }
    let key = SigningKey::from_bytes(&[1; 32]);
    let mut header = bundle.header;
    header.node = key.public();
    let sealed = Verified::write(header, bundle.leaves, &key);
    let opened = Verified::open(&codec::to_bytes(sealed.bundle())).expect("what was sealed opens");
    assert_eq!((opened.id(), opened.log()), (sealed.id(), sealed.log()));
    let mut redacted = sealed.bundle().clone();
    for leaf in &mut redacted.leaves {
        *leaf = leaf.redacted();
    }
    let redacted = Verified::open(&codec::to_bytes(&redacted)).expect("redaction keeps the root");
    assert_eq!(redacted.id(), sealed.id());
}

/// Every shape once.
pub fn schema() -> Schema {
    let specs = [
        ("active", Shape::Bool),
        ("brief", Shape::Text),
        ("capacity", Shape::Int),
        ("phones", Shape::Json),
        ("points", Shape::Counter),
        ("starts_at", Shape::Instant),
        ("tags", Shape::Set),
        ("title", Shape::Str),
    ];
    Schema::new(&specs.map(|(name, shape)| FieldSpec { name: name.into(), shape }))
}

/// A change chunk as it is, and the same bytes as the body of one.
pub fn change(data: &[u8]) {
    read_alike(data);
    read_alike(&framed(data));
}

/// Our reader and automerge see the same in what our reader takes.
fn read_alike(bytes: &[u8]) {
    let claimed = claimed_ops(bytes);
    let Ok(chunk) = Chunk::decode(bytes) else { return };
    assert_eq!(claimed.expect("a chunk that is read has a count"), chunk.ops.len());
    assert_eq!(chunk.encode()[8..], bytes[8..], "one encoding");
    let mut log = LogId([0; 32]);
    let prefix = chunk.actor.len().min(16);
    log.0[..prefix].copy_from_slice(&chunk.actor[..prefix]);
    if let Ok(change) = read(bytes) {
        same(&chunk, &change);
    }
    let Ok((identity, _)) = identify(bytes, &log) else { return };
    understand(bytes, &identity).expect("what is identified automerge reads as the same");
    let schema = schema();
    let _ = check_ops(&schema, &chunk);
    let leaf = Leaf { log, position: (0, 0), by_publisher: true, change: Some(bytes) };
    let _ = first_values(&schema, &leaf);
}

fn same(chunk: &Chunk<'_>, change: &Change) {
    assert_eq!(change.actor_id().to_bytes(), chunk.actor);
    assert_eq!((change.seq(), change.start_op().get()), (chunk.seq, chunk.start_op));
    assert!(change.deps().iter().map(|dep| dep.0).eq(chunk.deps.iter().copied()));
    assert_eq!(change.len(), chunk.ops.len());
    let Ok(expanded) = guarded(|| Ok(change.decode())) else { return };
    for (op, theirs) in chunk.ops.iter().zip(&expanded.operations) {
        assert_eq!((op.insert, op.preds.len()), (theirs.insert, theirs.pred.iter().count()));
        assert!(does_the_same(op, &theirs.action), "{op:?} and {theirs:?}");
    }
}

fn does_the_same(op: &Op<'_>, theirs: &OpType) -> bool {
    match (op.action, theirs) {
        (Action::MakeMap | Action::MakeText, OpType::Make(_)) => true,
        (Action::Delete, OpType::Delete) => true,
        (Action::Increment(by), OpType::Increment(theirs)) => by == *theirs,
        (Action::Put(value), OpType::Put(theirs)) => match (value, theirs) {
            (Scalar::Bool(one), ScalarValue::Boolean(other)) => one == *other,
            (Scalar::Int(one), ScalarValue::Int(other))
            | (Scalar::Instant(one), ScalarValue::Timestamp(other)) => one == *other,
            (Scalar::Str(one), ScalarValue::Str(other)) => one == other.as_str(),
            (Scalar::Bytes(one), ScalarValue::Bytes(other)) => one == other,
            (Scalar::Counter(one), ScalarValue::Counter(other)) => one == i64::from(other),
            _ => false,
        },
        _ => false,
    }
}

/// What people type or paste: ids, invite lines, selectors, values.
pub fn text(data: &[u8]) {
    let mut bytes = Bytes(data);
    let kind = Kind::ALL[bytes.below(Kind::ALL.len())];
    let field = bytes.byte();
    let Ok(text) = std::str::from_utf8(bytes.0) else { return };
    ids(text);
    if let Some(canonical) = canonical_json(text) {
        assert_eq!(canonical_json(&canonical).as_deref(), Some(canonical.as_str()));
    }
    let fields = vocabulary::fields(kind);
    let name = fields.get(usize::from(field)).map_or("x_custom", |field| field.name);
    values(kind, name, text);
    if let Ok(selector) = Selector::parse(kind, text) {
        let value = vocabulary::parse_text(kind, name, text).ok();
        let fields: Fields = value.map(|value| (name.to_owned(), value)).into_iter().collect();
        assert_eq!(selector.selects(kind, &fields), selector.selects(kind, &fields));
    }
}

fn ids(text: &str) {
    macro_rules! round {
        ($($id:ty),*) => {$(
            if let Ok(id) = text.parse::<$id>() {
                assert_eq!(id.to_string(), format!("{}{}", <$id>::PREFIX, text[<$id>::PREFIX.len()..].to_ascii_lowercase()));
            }
        )*};
    }
    round!(OrgId, ShareId, GrantId, CompartmentId, LogId, StatementId, Nonce);
    if let Some((kind, record)) = Kind::parse_id(text) {
        assert_eq!(Kind::parse_id(&kind.id_text(&record)), Some((kind, record)));
    }
}

/// A value that is taken reads back from what is shown of it, to programs and to people.
fn values(kind: Kind, name: &str, text: &str) {
    let mut taken = Vec::new();
    taken.extend(vocabulary::parse_text(kind, name, text).ok());
    if let Ok(json) = serde_json::from_str(text) {
        taken.extend(vocabulary::from_json(kind, name, &json).ok());
    }
    for value in taken {
        let json = vocabulary::to_json(kind, name, &value);
        let again = vocabulary::from_json(kind, name, &json);
        assert_eq!(again.as_ref().ok(), Some(&value), "{name} {json}: {again:?}");
        if vocabulary::field(kind, name).is_none() && !matches!(value, Value::Str(_)) {
            // What people type into a custom field is a string.
            continue;
        }
        let shown = vocabulary::to_text(kind, name, &value);
        let again = vocabulary::parse_text(kind, name, &shown);
        assert_eq!(again.as_ref().ok(), Some(&value), "{name} {shown:?}: {again:?}");
    }
}
