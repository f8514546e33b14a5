//! Why a leaf does not count: one reason each, with a stable code. Decides nothing.

use thiserror::Error;

/// Why a leaf does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Inert {
    /// The change was taken away by an erasure.
    #[error("the change was redacted")]
    Redacted,
    /// More than [`MAX_CHANGE_BYTES`](super::MAX_CHANGE_BYTES).
    #[error("the change is too long")]
    TooLong,
    /// Not an automerge chunk.
    #[error("the bytes are no automerge chunk")]
    Magic,
    /// A compressed, document or bundle chunk.
    #[error("the chunk is not a raw change")]
    ChunkType,
    /// The chunk's length is not that of the bytes.
    #[error("the chunk's length is wrong")]
    Length,
    /// The bytes end too early.
    #[error("the bytes end too early")]
    Truncated,
    /// A number does not fit.
    #[error("a number is out of range")]
    Number,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    Utf8,
    /// The checksum is not the hash's beginning.
    #[error("the checksum is wrong")]
    Checksum,
    /// The same change has another, canonical encoding.
    #[error("the encoding is not canonical")]
    NotCanonical,
    /// A column is compressed.
    #[error("a column is compressed")]
    Deflated,
    /// An unknown column, or columns out of order.
    #[error("the columns are not those of a change")]
    Column,
    /// Columns of different lengths.
    #[error("the columns differ in length")]
    ColumnLengths,
    /// More than [`MAX_OPS`](super::MAX_OPS) rows in a column.
    #[error("the change has too many operations")]
    TooManyOps,
    /// More operations than its bytes pay for.
    #[error("the change has more operations than its bytes pay for")]
    Bloated,
    /// Too many dependencies or actors.
    #[error("the change names too many changes or actors")]
    TooManyNamed,
    /// The change bears a time.
    #[error("the change bears a time")]
    Time,
    /// The change bears a message.
    #[error("the change bears a message")]
    Message,
    /// Bytes after the columns.
    #[error("the change carries extra bytes")]
    ExtraBytes,
    /// A mark on a text.
    #[error("the change marks text")]
    Mark,
    /// An action that automerge does not have.
    #[error("an action is unknown")]
    Action,
    /// An operation that makes an object.
    #[error("the change makes an object")]
    Makes,
    /// A value of a type that its operation cannot have.
    #[error("a value's type does not fit its operation")]
    ValueType,
    /// An operation whose object or key is no key.
    #[error("a key is damaged or empty")]
    Key,
    /// More than [`MAX_KEY_BYTES`](super::MAX_KEY_BYTES).
    #[error("a key is too long")]
    KeyTooLong,
    /// Predecessors missing, unsorted or where none may be.
    #[error("an operation's predecessors are wrong")]
    Preds,
    /// Listed actors are not exactly those that the operations name.
    #[error("the listed actors are wrong")]
    Actors,
    /// Automerge refuses to read it.
    #[error("automerge cannot read the change")]
    Unreadable,
    /// The actor is not one of the log.
    #[error("the actor is not the log's")]
    ForeignActor,
    /// It comes from nowhere.
    #[error("the change has no dependency")]
    NoDeps,
    /// The sequence number does not follow the log's previous change of this actor.
    #[error("the sequence number does not follow")]
    Sequence,
    /// The log's previous change of this actor is not an ancestor.
    #[error("the author's previous change is no ancestor")]
    NotAfterOwn,
    /// An ancestor is inert.
    #[error("an ancestor is inert")]
    Ancestor,
    /// The first counter is not one above the dependencies'.
    #[error("the first operation is misnumbered")]
    StartOp,
    /// Counters reach [`MAX_COUNTER`](super::MAX_COUNTER).
    #[error("the operation counters are too high")]
    MaxOp,
    /// It refers to an operation that is in no ancestor.
    #[error("it refers to an unknown operation")]
    UnknownOp,
    /// It refers to an operation elsewhere.
    #[error("it refers to an operation in another place")]
    OtherPlace,
    /// It acts in an object that genesis did not make.
    #[error("it acts in an unknown object")]
    Object,
    /// It puts or deletes a container.
    #[error("it puts or deletes a container")]
    Container,
    /// A field that the compartment does not have.
    #[error("the compartment has no such field")]
    Field,
    /// An operation or value that the field's shape does not allow.
    #[error("the operation does not fit the field's shape")]
    Shape,
    /// A counter's step above [`MAX_STEP`](super::MAX_STEP).
    #[error("the step of a counter is too large")]
    Step,
    /// Not canonical JSON.
    #[error("the value is not canonical JSON")]
    NotJson,
    /// An editor's change of a record that its publisher did not publish.
    #[error("no change of the publisher precedes it")]
    Uninvited,
    /// Automerge refused to apply it.
    #[error("automerge cannot apply the change")]
    NotApplied,
    /// Automerge panicked.
    #[error("automerge panicked")]
    Panicked,
}

impl Inert {
    /// A short, stable code.
    pub fn code(self) -> &'static str {
        match self {
            Inert::Redacted => "redacted",
            Inert::TooLong => "too-long",
            Inert::Magic => "magic",
            Inert::ChunkType => "chunk-type",
            Inert::Length => "length",
            Inert::Truncated => "truncated",
            Inert::Number => "number",
            Inert::Utf8 => "utf8",
            Inert::Checksum => "checksum",
            Inert::NotCanonical => "not-canonical",
            Inert::Deflated => "deflated",
            Inert::Column => "column",
            Inert::ColumnLengths => "column-lengths",
            Inert::TooManyOps => "too-many-ops",
            Inert::Bloated => "bloated",
            Inert::TooManyNamed => "too-many-named",
            Inert::Time => "time",
            Inert::Message => "message",
            Inert::ExtraBytes => "extra-bytes",
            Inert::Mark => "mark",
            Inert::Action => "action",
            Inert::Makes => "makes",
            Inert::ValueType => "value-type",
            Inert::Key => "key",
            Inert::KeyTooLong => "key-too-long",
            Inert::Preds => "preds",
            Inert::Actors => "actors",
            Inert::Unreadable => "unreadable",
            Inert::ForeignActor => "foreign-actor",
            Inert::NoDeps => "no-deps",
            Inert::Sequence => "sequence",
            Inert::NotAfterOwn => "not-after-own",
            Inert::Ancestor => "ancestor",
            Inert::StartOp => "start-op",
            Inert::MaxOp => "max-op",
            Inert::UnknownOp => "unknown-op",
            Inert::OtherPlace => "other-place",
            Inert::Object => "object",
            Inert::Container => "container",
            Inert::Field => "field",
            Inert::Shape => "shape",
            Inert::Step => "step",
            Inert::NotJson => "not-json",
            Inert::Uninvited => "uninvited",
            Inert::NotApplied => "not-applied",
            Inert::Panicked => "panicked",
        }
    }
}
