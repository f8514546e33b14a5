//! The records: companies with 20 fields of the vocabulary, about 600 bytes as JSON. Field and
//! value of each can be computed from its number, so a receiver can be asked for any of them.

use std::collections::BTreeMap;

use entente_protocol::value::{Fields, Value};

/// The field that holds the record's number.
pub const NUMBER: &str = "org_code";
/// The field that edits change.
pub const EDITED: &str = "title";

/// Fields that hold one word.
const WORDS: &str = "address age_band birth_date department education family_name given_name \
                     industry language name org_legal_name org_name region source title";
/// A company, so that no person's consent is asked for.
const TYPE: (&str, &str) = ("type", "company");

/// Every field, as a grant names them.
pub fn fields() -> Vec<String> {
    customer(0).into_keys().collect()
}

/// The customer with a number.
pub fn customer(index: usize) -> Fields {
    let mut letters = Letters(index as u64);
    let mut fields: BTreeMap<String, Value> =
        WORDS.split(' ').map(|name| (name.to_owned(), Value::Str(letters.word()))).collect();
    let phone = format!("+44{:010}", index);
    let rest = [
        (NUMBER, Value::Str(format!("c{index:08}"))),
        (TYPE.0, Value::Str(TYPE.1.to_owned())),
        ("website", Value::Str(format!("https://{}.example", letters.word()))),
        ("emails", Value::Json(format!("[\"{}@mail.example\"]", letters.word()))),
        ("phones", Value::Json(format!("[\"{phone}\"]"))),
    ];
    fields.extend(rest.map(|(name, value)| (name.to_owned(), value)));
    fields
}

/// The number of a customer, by its fields.
pub fn number(fields: &Fields) -> Option<usize> {
    let Value::Str(text) = fields.get(NUMBER)? else { return None };
    text.strip_prefix('c')?.parse().ok()
}

/// Letters that no compressor makes much of: xorshift64*, started anew for each record.
struct Letters(u64);

impl Letters {
    fn next(&mut self) -> u64 {
        let mut x = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = self.0.wrapping_add(0x632b_e59b_d9b4_e019) ^ x;
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// 9 to 17 letters.
    fn word(&mut self) -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnopqrstuvwxyz2345678";
        let length = 9 + self.next() % 9;
        (0..length).map(|_| char::from(ALPHABET[(self.next() >> 59) as usize])).collect()
    }
}
