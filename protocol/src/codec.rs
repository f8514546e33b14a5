//! Canonical CBOR (RFC 8949 §4.2): arrays of definite length, shortest integers, nothing left over.
//! Whoever decodes here knows that encoding the result again gives the same bytes.

use minicbor::encode::Write;
use minicbor::{Decode, Encode};
use thiserror::Error;

/// Bytes that are not the one canonical encoding of a value.
#[derive(Debug, Error)]
pub enum CodecError {
    /// Not CBOR of the expected shape.
    #[error("not the expected CBOR")]
    Malformed(#[from] minicbor::decode::Error),
    /// The same value has another, canonical encoding.
    #[error("CBOR is not canonical")]
    NotCanonical,
    /// More bytes than such a value may have.
    #[error("{len} bytes, at most {limit} are taken")]
    TooLong {
        /// What came.
        len: usize,
        /// What is allowed.
        limit: usize,
    },
}

/// Encodes a value; writing to memory cannot fail.
pub fn to_bytes<T: Encode<()>>(value: &T) -> Vec<u8> {
    to_bytes_of(0, value)
}

/// Encodes a value that takes about so many bytes.
pub fn to_bytes_of<T: Encode<()>>(about: usize, value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(about);
    match minicbor::encode(value, &mut out) {
        Ok(()) => out,
        Err(error) => unreachable!("encoding into memory failed: {error}"),
    }
}

/// Decodes foreign bytes: within the limit, complete and canonical, or refused.
pub fn from_bytes<'b, T: Decode<'b, ()> + Encode<()>>(
    bytes: &'b [u8],
    limit: usize,
) -> Result<T, CodecError> {
    if bytes.len() > limit {
        return Err(CodecError::TooLong { len: bytes.len(), limit });
    }
    let value: T = minicbor::decode(bytes)?;
    if is_encoding(&value, bytes) { Ok(value) } else { Err(CodecError::NotCanonical) }
}

/// Whether encoding a value gives exactly these bytes; compared as they would be written.
fn is_encoding<T: Encode<()>>(value: &T, bytes: &[u8]) -> bool {
    struct Rest<'b>(&'b [u8]);
    struct Differs;
    impl Write for Rest<'_> {
        type Error = Differs;
        fn write_all(&mut self, written: &[u8]) -> Result<(), Differs> {
            self.0 = self.0.strip_prefix(written).ok_or(Differs)?;
            Ok(())
        }
    }
    let mut rest = Rest(bytes);
    minicbor::encode(value, &mut rest).is_ok() && rest.0.is_empty()
}

/// Decodes bytes that this program wrote itself.
pub fn own<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, CodecError> {
    Ok(minicbor::decode(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_bytes_are_taken() {
        assert_eq!(from_bytes::<Vec<u8>>(&to_bytes(&vec![1u8, 2]), 10).unwrap(), vec![1, 2]);
        assert!(matches!(from_bytes::<u64>(&[0x18, 0x01], 10), Err(CodecError::NotCanonical)));
        assert!(matches!(from_bytes::<u64>(&[0x01, 0x01], 10), Err(CodecError::NotCanonical)));
        assert!(matches!(from_bytes::<u64>(&[0x01; 11], 10), Err(CodecError::TooLong { .. })));
    }
}
