//! Bytes of a table to text, whatever Excel or a Chinese CRM wrote them in.

use std::borrow::Cow;

use encoding_rs::{Encoding, GB18030};

use super::ImportError;

/// Reads UTF-8 and UTF-16 by their byte order marks, else UTF-8, else GB18030.
/// A byte that is wrong in the encoding found is an error: half a text would be data lost.
pub(super) fn text(bytes: &[u8]) -> Result<Cow<'_, str>, ImportError> {
    let (encoding, bytes) = match Encoding::for_bom(bytes) {
        Some((encoding, mark_bytes)) => (encoding, &bytes[mark_bytes..]),
        None => match std::str::from_utf8(bytes) {
            Ok(text) => return plain(Cow::Borrowed(text)),
            Err(_) => (GB18030, bytes),
        },
    };
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    plain(text.ok_or(ImportError::Encoding)?)
}

/// A NUL stands in no table; it is the mark of UTF-16 without a byte order mark, or of no text.
fn plain(text: Cow<'_, str>) -> Result<Cow<'_, str>, ImportError> {
    match text.contains('\0') {
        true => Err(ImportError::Encoding),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_is_told_from_its_bytes() {
        let rows: [(&str, &[u8], Option<&str>); 8] = [
            ("UTF-8", "姓名".as_bytes(), Some("姓名")),
            ("UTF-8 with mark", b"\xef\xbb\xbf\xe5\xa7\x93", Some("姓")),
            ("UTF-16 LE", b"\xff\xfe\xd3\x59\x0d\x54", Some("姓名")),
            ("UTF-16 BE", b"\xfe\xff\x59\xd3\x54\x0d", Some("姓名")),
            ("GB18030", b"\xd0\xd5\xc3\xfb", Some("姓名")),
            ("GB18030, four bytes", b"\xd0\xd5\x95\x32\x82\x36", Some("姓𠀀")),
            ("UTF-16 without mark", b"a\0b\0", None),
            ("no text", b"\x80\xff\xff\x01", None),
        ];
        for (name, bytes, expected) in rows {
            assert_eq!(text(bytes).ok().as_deref(), expected, "{name}");
        }
    }
}
