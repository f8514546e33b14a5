//! Canonical CBOR (RFC 8949 §4.2): arrays of definite length, shortest integers, nothing left over.
//! Whoever decodes here knows that encoding the result again gives the same bytes.

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
    let mut out = Vec::new();
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
    if to_bytes(&value) != bytes {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
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
