//! What headings and cells mean when they are the vocabulary's own. Nothing is dropped: a column
//! or a value that fits nowhere becomes a custom field.

use entente_protocol::value::{Fields, Value};
use entente_protocol::vocabulary::{self, FieldType, Kind};

use super::{ReadError, Row, Sheet};
use crate::api::customer::Rejected;

const EXTERNAL_ID: &str = "external_id";

/// One column.
struct Heading {
    /// As the file has it.
    typed: String,
    to: Target,
}

enum Target {
    ExternalId,
    Field(String),
}

/// The columns of a file.
pub(super) struct Columns(Vec<Heading>);

impl Columns {
    /// Reads the headings.
    pub(super) fn new<'a>(
        kind: Kind,
        headings: impl Iterator<Item = &'a str>,
        sheet: &mut Sheet,
    ) -> Result<Self, ReadError> {
        let mut columns: Vec<Heading> = Vec::new();
        for (at, typed) in headings.enumerate() {
            let typed = typed.trim();
            let to = match field_of(kind, typed) {
                _ if typed.eq_ignore_ascii_case(EXTERNAL_ID) => Target::ExternalId,
                Some(name) => Target::Field(name.to_owned()),
                None => {
                    let name = custom_name(typed, at + 1);
                    sheet.warnings.push(Rejected {
                        line: 1,
                        column: Some(typed.to_owned()),
                        why: format!("no field of that name; kept as {name}"),
                    });
                    Target::Field(name)
                }
            };
            let same = |other: &&Heading| match (&other.to, &to) {
                (Target::ExternalId, Target::ExternalId) => true,
                (Target::Field(a), Target::Field(b)) => a == b,
                (Target::ExternalId, Target::Field(_)) | (Target::Field(_), Target::ExternalId) => {
                    false
                }
            };
            if let Some(first) = columns.iter().find(same) {
                let heading = match first.typed == typed {
                    true => typed.to_owned(),
                    false => format!("{}, {typed}", first.typed),
                };
                return Err(ReadError::Twice { heading });
            }
            columns.push(Heading { typed: typed.to_owned(), to });
        }
        if columns.iter().all(|column| column.typed.is_empty()) {
            return Err(ReadError::Empty);
        }
        Ok(Self(columns))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Reads a row and puts it where it belongs.
    pub(super) fn row<'a>(
        &self,
        kind: Kind,
        line: u64,
        cells: impl Iterator<Item = &'a str>,
        sheet: &mut Sheet,
    ) {
        let mut row = Row { line, fields: Fields::new(), external_id: None };
        let mut warnings = Vec::new();
        for (column, cell) in self.0.iter().zip(cells).filter(|(_, cell)| !cell.trim().is_empty()) {
            let name = match &column.to {
                Target::ExternalId => {
                    row.external_id = Some(cell.trim().to_owned());
                    continue;
                }
                Target::Field(name) => name,
            };
            let value = match vocabulary::parse_text(kind, name, cell) {
                Ok(value) => value,
                Err(error) => {
                    let (kept, value) = keep(name, cell);
                    let why = format!("{error}; kept as {kept}");
                    let column = Some(column.typed.clone());
                    warnings.push(Rejected { line, column, why });
                    row.fields.insert(kept, value);
                    continue;
                }
            };
            row.fields.insert(name.clone(), value);
        }
        if kind == Kind::Customer {
            derive_name(&mut row.fields);
            if !["name", "org_name", "emails", "phones"].iter().any(|f| row.fields.contains_key(*f))
            {
                let why = "no name, no organisation, no valid e-mail address and no phone";
                sheet.rejected.push(Rejected { line, column: None, why: why.to_owned() });
                return;
            }
        }
        sheet.warnings.append(&mut warnings);
        sheet.rows.push(row);
    }
}

/// A value that its field does not take, as a custom field.
fn keep(name: &str, cell: &str) -> (String, Value) {
    let kept = match vocabulary::is_custom(name) {
        true => format!("{name}_raw"),
        false => format!("{}{name}", vocabulary::CUSTOM_PREFIX),
    };
    // Over-long cells are cut where the vocabulary would refuse them a second time.
    let mut end = cell.len().min(vocabulary::MAX_STRING_BYTES);
    while !cell.is_char_boundary(end) {
        end -= 1;
    }
    (kept, Value::Str(cell[..end].to_owned()))
}

fn field_of(kind: Kind, heading: &str) -> Option<&str> {
    let plain = heading.to_lowercase().replace([' ', '-'], "_");
    let known = vocabulary::fields(kind).iter().find(|field| {
        field.name == plain
            || field.label_en.eq_ignore_ascii_case(heading)
            || field.label_zh == heading
    });
    match known {
        Some(field) => Some(field.name),
        None => vocabulary::is_custom(heading).then_some(heading),
    }
}

/// `x_` and what is left of a heading; its number where nothing is.
fn custom_name(heading: &str, number: usize) -> String {
    let mut name = String::new();
    for c in heading.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' => name.push(c),
            _ if !name.is_empty() && !name.ends_with('_') => name.push('_'),
            _ => {}
        }
    }
    name.truncate(40);
    match name.trim_matches('_') {
        "" => format!("{}column_{number}", vocabulary::CUSTOM_PREFIX),
        name => format!("{}{name}", vocabulary::CUSTOM_PREFIX),
    }
}

/// A name from its two parts where there is none: family name first if either part is Chinese.
fn derive_name(fields: &mut Fields) {
    debug_assert!(matches!(
        vocabulary::field(Kind::Customer, "name").map(|field| field.ty),
        Some(FieldType::String)
    ));
    if fields.contains_key("name") {
        return;
    }
    let part = |name: &str| match fields.get(name) {
        Some(Value::Str(text)) => text.trim().to_owned(),
        _ => String::new(),
    };
    let (family, given) = (part("family_name"), part("given_name"));
    let wide = |text: &str| text.chars().any(|c| matches!(c, '\u{3400}'..='\u{9fff}'));
    let name = match wide(&family) || wide(&given) {
        true => format!("{family}{given}"),
        false => format!("{given} {family}").trim().to_owned(),
    };
    if !name.is_empty() {
        fields.insert("name".into(), Value::Str(name));
    }
}
