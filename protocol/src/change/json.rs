//! Canonical JSON: no blanks, keys in byte order, each once, strings escaped one way.
//! Numbers stay as they are written, so no reading of floats can make two replicas disagree.

use super::column::Cursor;

/// How deep arrays and objects may nest.
const MAX_DEPTH: usize = 64;

/// `text` as canonical JSON; `None` if it is no JSON, repeats a key or nests too deep.
pub fn canonical_json(text: &str) -> Option<String> {
    let mut input = Cursor(text.as_bytes());
    let mut out = Vec::with_capacity(text.len());
    value(&mut input, &mut out, MAX_DEPTH)?;
    skip_blanks(&mut input);
    if !input.is_empty() {
        return None;
    }
    String::from_utf8(out).ok()
}

fn skip_blanks(input: &mut Cursor<'_>) {
    input.0 = input.0.trim_ascii_start();
}

/// The next byte that is no blank.
fn next(input: &mut Cursor<'_>) -> Option<u8> {
    skip_blanks(input);
    input.byte().ok()
}

fn value(input: &mut Cursor<'_>, out: &mut Vec<u8>, depth: usize) -> Option<()> {
    skip_blanks(input);
    match input.0.first()? {
        b'{' => object(input, out, depth.checked_sub(1)?),
        b'[' => array(input, out, depth.checked_sub(1)?),
        b'"' => string(input).map(|string| out.extend(string)),
        b'-' | b'0'..=b'9' => number(input, out),
        _ => {
            let words: [&[u8]; 3] = [b"true", b"false", b"null"];
            let word = words.into_iter().find(|word| input.0.starts_with(word))?;
            input.take(word.len()).ok()?;
            out.extend(word);
            Some(())
        }
    }
}

fn array(input: &mut Cursor<'_>, out: &mut Vec<u8>, depth: usize) -> Option<()> {
    input.byte().ok()?;
    out.push(b'[');
    skip_blanks(input);
    if input.0.first() == Some(&b']') {
        input.byte().ok()?;
        out.push(b']');
        return Some(());
    }
    loop {
        value(input, out, depth)?;
        let after = next(input)?;
        out.push(after);
        match after {
            b',' => (),
            b']' => return Some(()),
            _ => return None,
        }
    }
}

fn object(input: &mut Cursor<'_>, out: &mut Vec<u8>, depth: usize) -> Option<()> {
    input.byte().ok()?;
    let mut members: Vec<(String, Vec<u8>)> = Vec::new();
    skip_blanks(input);
    let mut open = input.0.first() != Some(&b'}');
    if !open {
        input.byte().ok()?;
    }
    while open {
        skip_blanks(input);
        let mut member = string(input)?;
        let key = serde_json::from_slice(&member).ok()?;
        if next(input)? != b':' {
            return None;
        }
        member.push(b':');
        value(input, &mut member, depth)?;
        members.push((key, member));
        open = match next(input)? {
            b',' => true,
            b'}' => false,
            _ => return None,
        };
    }
    members.sort();
    if !members.is_sorted_by(|a, b| a.0 < b.0) {
        return None;
    }
    let members: Vec<Vec<u8>> = members.into_iter().map(|(_, member)| member).collect();
    out.push(b'{');
    out.extend(members.join(&b','));
    out.push(b'}');
    Some(())
}

fn string(input: &mut Cursor<'_>) -> Option<Vec<u8>> {
    if input.0.first() != Some(&b'"') {
        return None;
    }
    let mut escaped = false;
    let end = input.0.iter().skip(1).position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })?;
    let token = input.take(end + 2).ok()?;
    let string: String = serde_json::from_slice(token).ok()?;
    serde_json::to_vec(&string).ok()
}

fn number(input: &mut Cursor<'_>, out: &mut Vec<u8>) -> Option<()> {
    fn digits(input: &mut Cursor<'_>) -> Option<usize> {
        let count = input.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        input.take(count).ok()?;
        (count > 0).then_some(count)
    }
    let start = input.0;
    if start.first() == Some(&b'-') {
        input.byte().ok()?;
    }
    let leading_zero = input.0.first() == Some(&b'0');
    if digits(input)? > 1 && leading_zero {
        return None;
    }
    if input.0.first() == Some(&b'.') {
        input.byte().ok()?;
        digits(input)?;
    }
    if matches!(input.0.first(), Some(b'e' | b'E')) {
        input.byte().ok()?;
        if matches!(input.0.first(), Some(b'+' | b'-')) {
            input.byte().ok()?;
        }
        digits(input)?;
    }
    out.extend(&start[..start.len() - input.0.len()]);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_canonical_text_and_numbers_are_kept_as_written() {
        let cases = [
            (" [ 1 , 2.50 , -0e+7 ] ", Some("[1,2.50,-0e+7]")),
            (r#"{"b":1,"a":{"é":null,"\u00e8":[]}}"#, Some(r#"{"a":{"è":[],"é":null},"b":1}"#)),
            (r#""\u0041\/\n""#, Some(r#""A/\n""#)),
            (r#"["\\","\""]"#, Some(r#"["\\","\""]"#)),
            ("{ }", Some("{}")),
            ("0.30000000000000004", Some("0.30000000000000004")),
            ("123456789012345678901234567890", Some("123456789012345678901234567890")),
            (r#"{"a":1,"\u0061":2}"#, None),
            ("", None),
            ("01", None),
            ("1.", None),
            ("-", None),
            ("[1,]", None),
            ("[1 2]", None),
            ("{\"a\" 1}", None),
            ("{\"a\":1,}", None),
            ("nul", None),
            ("\"a", None),
            ("\"\u{1}\"", None),
            ("1 1", None),
        ];
        for (text, expected) in cases {
            let canonical = canonical_json(text);
            assert_eq!(canonical.as_deref(), expected, "{text}");
            if let Some(canonical) = canonical {
                assert_eq!(canonical_json(&canonical), Some(canonical.clone()));
                assert!(serde_json::from_str::<serde_json::Value>(&canonical).is_ok());
            }
        }
        assert!(canonical_json(&"[".repeat(100_000)).is_none());
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(canonical_json(&deep(MAX_DEPTH)).is_some());
        assert!(canonical_json(&deep(MAX_DEPTH + 1)).is_none());
    }
}
