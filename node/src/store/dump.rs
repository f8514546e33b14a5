//! Everything a store holds, as text: for inspection, and for tests that look for what must not
//! be there. Values are whole and decompressed, whatever the engine does with them.

use std::io::{self, Write};

use entente_protocol::store::{Store, StoreError};
use serde::Serialize;
use thiserror::Error;

/// Entries read at a time; a value may have megabytes.
const PAGE: usize = 16;

/// Why a dump ended early.
#[derive(Debug, Error)]
pub enum DumpError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The dump could not be written.
    #[error("the dump could not be written")]
    Write(#[from] io::Error),
}

#[derive(Serialize)]
struct Line<'a> {
    key: &'a str,
    key_hex: &'a str,
    value_text: &'a str,
    value_hex: &'a str,
}

/// Writes every entry as a line of JSON: `key` and `value_text` as UTF-8 with what is not UTF-8
/// replaced, `key_hex` and `value_hex` exact. Text that lies in a value stands in `value_text` as
/// it is, but for the escapes of JSON (quotes, backslashes, control characters).
///
/// Commits may go on meanwhile; the dump then has a mixture of before and after.
pub fn dump(store: &dyn Store, out: &mut impl Write) -> Result<u64, DumpError> {
    let mut after = Vec::new();
    let mut lines = 0;
    loop {
        let page = store.scan(&[], &after, PAGE)?;
        for (key, value) in &page {
            let line = Line {
                key: &String::from_utf8_lossy(key),
                key_hex: &hex(key),
                value_text: &String::from_utf8_lossy(value),
                value_hex: &hex(value),
            };
            serde_json::to_writer(&mut *out, &line).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
            lines += 1;
        }
        match page.last() {
            Some((key, _)) if page.len() == PAGE => after.clone_from(key),
            _ => return Ok(lines),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use entente_protocol::store::{Batch, MemoryStore};

    use super::*;

    #[test]
    fn a_token_anywhere_in_a_value_stands_in_the_dump() {
        let mut store = MemoryStore::default();
        let mut batch = Batch::default();
        let tokens = ["tok-abc", "测试名字", "näme", "a\tb\"c"];
        for (n, token) in tokens.iter().enumerate() {
            for before in 0..=255u8 {
                let mut value = vec![0x80, before];
                value.extend(token.as_bytes());
                value.extend([before, 0xff]);
                batch.put([n as u8, before], value);
            }
        }
        batch.put([], b"under the empty key");
        store.commit(batch).unwrap();
        let mut out = Vec::new();
        assert_eq!(dump(&store, &mut out).unwrap(), 4 * 256 + 1);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 4 * 256 + 1);
        for token in &tokens[..3] {
            assert_eq!(text.matches(token).count(), 256, "{token}");
        }
        assert_eq!(text.matches(r#"a\tb\"c"#).count(), 256);
        for line in text.lines() {
            let _: serde_json::Value = serde_json::from_str(line).unwrap();
        }
    }
}
