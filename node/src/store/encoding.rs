//! How a value lies in the engine: raw, compressed, or cut into chunks.
//! Knows no engine and no keys but the chunks' own.

use std::cell::RefCell;

use thiserror::Error;
use zstd::bulk::{Compressor, Decompressor};

/// The longest value that is taken and the most that is ever decompressed.
pub const MAX_VALUE_BYTES: usize = 16 << 20;

/// The longest value the engine is given, tag included. A page of the engine holds up to 20 values
/// and must stay below a quarter of its 8 MiB segment: a larger one goes into a file of its own,
/// which the engine never syncs.
pub(super) const CHUNK_BYTES: usize = 60 << 10;

/// Values from here on are compressed when that helps: bundles, long texts. For the many small ones
/// it cost a tenth of the CPU time of a first fetch, and saved a seventh of the disk.
const COMPRESS_FROM_BYTES: usize = 4096;
const ZSTD_LEVEL: i32 = 1;

const RAW: u8 = 0;
const ZSTD: u8 = 1;
const CHUNKED: u8 = 2;

/// What makes stored bytes unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{}", self.what())]
pub enum Flaw {
    /// The tag byte is none of ours, or there is none.
    UnknownTag,
    /// The bytes end early or go on too long.
    WrongLength,
    /// The decompressor does not accept it.
    NotZstd,
    /// It says that it is longer than any value may be.
    TooLong,
    /// A chunk is not there.
    MissingChunk,
}

impl Flaw {
    /// The flaw in words.
    pub fn what(self) -> &'static str {
        match self {
            Self::UnknownTag => "the value has no known encoding",
            Self::WrongLength => "the value has the wrong length",
            Self::NotZstd => "the value does not decompress",
            Self::TooLong => "the value claims to be too long",
            Self::MissingChunk => "a part of the value is missing",
        }
    }
}

/// Where the parts of a chunked value are: chunk `n` has the key `(commit, ordinal, n)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Chunks {
    /// The commit that wrote them.
    pub commit: u64,
    /// Which of that commit's chunked values it is.
    pub ordinal: u32,
    /// How many there are.
    pub count: u32,
    /// Their bytes together.
    pub bytes: u32,
}

impl Chunks {
    const HEAD_BYTES: usize = 1 + 8 + 4 + 4 + 4;

    /// What is stored under the value's own key.
    pub fn head(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(Self::HEAD_BYTES);
        head.push(CHUNKED);
        head.extend(self.commit.to_be_bytes());
        head.extend(self.ordinal.to_be_bytes());
        head.extend(self.count.to_be_bytes());
        head.extend(self.bytes.to_be_bytes());
        head
    }

    /// Reads a head; `None` when the value is not chunked.
    pub fn of(stored: &[u8]) -> Result<Option<Self>, Flaw> {
        if stored.first() != Some(&CHUNKED) {
            return Ok(None);
        }
        let (Some(commit), Some(ordinal), Some(count), Some(bytes), Self::HEAD_BYTES) = (
            u64_at(stored, 1),
            u32_at(stored, 9),
            u32_at(stored, 13),
            u32_at(stored, 17),
            stored.len(),
        ) else {
            return Err(Flaw::WrongLength);
        };
        // Tag and length of a compressed value may stand before its bytes.
        if bytes as usize > MAX_VALUE_BYTES + 5
            || count as usize != (bytes as usize).div_ceil(CHUNK_BYTES)
        {
            return Err(Flaw::TooLong);
        }
        Ok(Some(Self { commit, ordinal, count, bytes }))
    }

    /// The part of a chunk's key that follows the prefix of the chunks' key space.
    pub fn key(&self, index: u32) -> [u8; 16] {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.commit.to_be_bytes());
        key[8..12].copy_from_slice(&self.ordinal.to_be_bytes());
        key[12..].copy_from_slice(&index.to_be_bytes());
        key
    }
}

/// Encodes values; keeps the compressor's working memory between them.
pub(super) struct Encoder(Compressor<'static>);

impl Encoder {
    pub fn new() -> std::io::Result<Self> {
        Compressor::new(ZSTD_LEVEL).map(Self)
    }

    /// Tag and bytes of a value, not yet cut. Compressed only when that saves a sixteenth.
    pub fn encode(&mut self, value: &[u8]) -> Vec<u8> {
        if value.len() >= COMPRESS_FROM_BYTES
            && let Ok(frame) = self.0.compress(value)
            && frame.len() + value.len() / 16 < value.len()
        {
            let mut stored = Vec::with_capacity(5 + frame.len());
            stored.push(ZSTD);
            stored.extend((value.len() as u32).to_be_bytes());
            stored.extend(frame);
            return stored;
        }
        let mut stored = Vec::with_capacity(1 + value.len());
        stored.push(RAW);
        stored.extend(value);
        stored
    }
}

thread_local! {
    static DECOMPRESSOR: RefCell<Decompressor<'static>> = RefCell::default();
}

/// The value of stored bytes that are whole. Allocates no more than [`MAX_VALUE_BYTES`].
pub(super) fn decode(stored: &[u8]) -> Result<Vec<u8>, Flaw> {
    let (tag, rest) = stored.split_first().ok_or(Flaw::UnknownTag)?;
    match *tag {
        RAW => Ok(rest.to_vec()),
        ZSTD => {
            let bytes = u32_at(rest, 0).ok_or(Flaw::WrongLength)? as usize;
            if bytes > MAX_VALUE_BYTES {
                return Err(Flaw::TooLong);
            }
            let value = DECOMPRESSOR
                .with_borrow_mut(|d| d.decompress(&rest[4..], bytes))
                .map_err(|_| Flaw::NotZstd)?;
            if value.len() == bytes { Ok(value) } else { Err(Flaw::WrongLength) }
        }
        _ => Err(Flaw::UnknownTag),
    }
}

/// The number at an offset, big-endian.
pub(super) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    let bytes = bytes.get(offset..offset + 8)?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..offset + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_itself_and_is_compressed_only_when_that_helps() {
        let mut encoder = Encoder::new().unwrap();
        let mut seed = 1u64;
        let mut noise = vec![0; 5000];
        for byte in &mut noise {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (seed >> 56) as u8;
        }
        for (value, tag) in [
            (vec![], RAW),
            (vec![7; COMPRESS_FROM_BYTES - 1], RAW),
            (vec![7; COMPRESS_FROM_BYTES], ZSTD),
            (noise, RAW),
            (vec![7; MAX_VALUE_BYTES], ZSTD),
        ] {
            let stored = encoder.encode(&value);
            assert_eq!(stored[0], tag, "{} bytes", value.len());
            assert_eq!(decode(&stored).unwrap(), value);
        }
    }

    #[test]
    fn a_value_that_would_unpack_beyond_the_limit_is_refused_before_memory_is_taken() {
        let mut bomb = vec![ZSTD];
        bomb.extend(u32::MAX.to_be_bytes());
        assert_eq!(decode(&bomb), Err(Flaw::TooLong));
        let frame = zstd::bulk::compress(&vec![0; 1 << 20], 1).unwrap();
        let mut lying = vec![ZSTD, 0, 0, 0, 9];
        lying.extend(frame);
        assert_eq!(decode(&lying), Err(Flaw::NotZstd));
    }

    #[test]
    fn no_bytes_make_decoding_panic() {
        for tag in 0..=255u8 {
            for len in 0..30 {
                let bytes = vec![tag; len];
                let _ = decode(&bytes);
                let _ = Chunks::of(&bytes);
            }
        }
    }
}
