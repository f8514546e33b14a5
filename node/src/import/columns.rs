//! Which column of a table feeds which field, told from its heading. Knows no cells.

use std::collections::BTreeSet;

use entente_protocol::id::hash;
use entente_protocol::value::Shape;
use entente_protocol::vocabulary::{self, CUSTOM_PREFIX, Field, FieldType, Kind, is_custom};
use serde::Serialize;

/// Headings that people use beside the vocabulary's names and labels.
const ALIASES: &[(&str, &str)] = &[
    ("email", "emails"),
    ("e_mail", "emails"),
    ("电子邮箱", "emails"),
    ("phone", "phones"),
    ("mobile", "phones"),
    ("手机", "phones"),
    ("手机号", "phones"),
    ("姓", "family_name"),
    ("名", "given_name"),
    ("last_name", "family_name"),
    ("first_name", "given_name"),
    ("公司名称", "org_name"),
    ("职位", "title"),
];
const MAX_SLUG_BYTES: usize = 60;
const SLUG_HASH_BYTES: usize = 4;

/// A column the vocabulary does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnknownColumn {
    /// The heading, as in the file.
    pub heading: String,
    /// The custom field that holds its cells.
    pub kept_as: String,
}

/// What a column's cells become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// This field, by one column only.
    Single(&'static str),
    /// Elements of this list or set; several columns may feed it.
    List(&'static str),
    /// An entry of `external_ids`.
    ExternalId,
    /// A custom field.
    Custom,
}

/// One column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// The heading, as in the file.
    pub(super) heading: String,
    /// What its cells become.
    pub(super) target: Target,
    /// The custom field for cells that do not fit, or for all of them.
    pub(super) kept_as: String,
}

impl Column {
    /// The column of a cell to the right of the last heading; `at` counts from 0.
    pub(super) fn beyond(at: usize) -> Self {
        let heading = format!("column {}", at + 1);
        Self { kept_as: slug(&heading), heading, target: Target::Custom }
    }

    /// Whether a customer can be told by this column.
    pub(super) fn names_customer(&self) -> bool {
        match self.target {
            Target::Single(name) | Target::List(name) => {
                ["name", "org_name", "emails", "phones"].contains(&name)
            }
            Target::ExternalId | Target::Custom => false,
        }
    }
}

/// All columns of a table.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    /// What the rows are.
    pub(super) kind: Kind,
    /// The columns, from left to right.
    pub(super) columns: Vec<Column>,
}

impl Columns {
    /// Reads the headings. Of two columns for one field that is no list, the second becomes custom.
    pub(super) fn of<'a>(kind: Kind, headings: impl Iterator<Item = &'a str>) -> Self {
        let (mut taken, mut names) = (BTreeSet::new(), BTreeSet::new());
        let mut columns = Vec::new();
        for (at, heading) in headings.enumerate() {
            let heading = heading.trim();
            if heading.is_empty() {
                columns.push(Column::beyond(at));
                continue;
            }
            let target = match target(kind, heading) {
                Target::Single(name) if !taken.insert(name) => Target::Custom,
                Target::ExternalId if !taken.insert("external_id") => Target::Custom,
                target @ (Target::Single(_)
                | Target::List(_)
                | Target::ExternalId
                | Target::Custom) => target,
            };
            let spoken = match target {
                // A heading without Latin letters would make an unreadable name.
                Target::Single(name) | Target::List(name) if !heading.is_ascii() => name,
                Target::Single(_) | Target::List(_) | Target::ExternalId | Target::Custom => {
                    heading
                }
            };
            let kept_as = unused(slug(spoken), &mut names);
            columns.push(Column { heading: heading.to_owned(), target, kept_as });
        }
        Self { kind, columns }
    }

    /// The columns without a place in the vocabulary.
    pub(super) fn unknown(&self) -> Vec<UnknownColumn> {
        self.columns
            .iter()
            .filter(|column| column.target == Target::Custom)
            .map(|column| UnknownColumn {
                heading: column.heading.clone(),
                kept_as: column.kept_as.clone(),
            })
            .collect()
    }
}

fn target(kind: Kind, heading: &str) -> Target {
    let heading = normal(heading);
    let by_name = |field: &&Field| {
        [field.name, field.label_en, field.label_zh].iter().any(|known| normal(known) == heading)
    };
    let alias = || {
        let (_, name) = ALIASES.iter().find(|(alias, _)| *alias == heading)?;
        vocabulary::field(kind, name)
    };
    match vocabulary::fields(kind).iter().find(by_name).or_else(alias) {
        Some(field) => match field.ty {
            FieldType::List(_) => Target::List(field.name),
            ty if ty.shape() == Shape::Set => Target::List(field.name),
            _ => Target::Single(field.name),
        },
        None if heading == "external_id" && has_external_ids(kind) => Target::ExternalId,
        None => Target::Custom,
    }
}

fn has_external_ids(kind: Kind) -> bool {
    vocabulary::field(kind, "external_ids").is_some()
}

fn normal(heading: &str) -> String {
    heading
        .chars()
        .map(|c| if c == '-' || c.is_whitespace() { '_' } else { c })
        .flat_map(char::to_lowercase)
        .collect()
}

/// The custom field of a heading: its Latin letters and digits; other letters by their code, so
/// that one heading has one name in every file. Long names end in a hash.
fn slug(heading: &str) -> String {
    let lower = heading.trim().to_lowercase();
    if is_custom(&lower) {
        return lower;
    }
    let mut body = String::new();
    for c in lower.chars() {
        match c {
            'a'..='z' | '0'..='9' => body.push(c),
            _ if c.is_alphanumeric() => {
                let gap = if body.is_empty() || body.ends_with('_') { "" } else { "_" };
                body.push_str(&format!("{gap}u{:x}_", u32::from(c)));
            }
            _ if body.is_empty() || body.ends_with('_') => {}
            _ => body.push('_'),
        }
    }
    let mut body = body.trim_end_matches('_').to_owned();
    if body.is_empty() || body.len() > MAX_SLUG_BYTES {
        let digest = hash("entente/heading/1", &[heading.as_bytes()]);
        let tail: String = digest[..SLUG_HASH_BYTES].iter().map(|b| format!("{b:02x}")).collect();
        body.truncate(MAX_SLUG_BYTES - tail.len() - 1);
        body = format!("{body}_{tail}").trim_start_matches('_').to_owned();
    }
    format!("{CUSTOM_PREFIX}{body}")
}

fn unused(name: String, names: &mut BTreeSet<String>) -> String {
    let mut candidate = name.clone();
    let mut number = 2;
    while !names.insert(candidate.clone()) {
        let tail = format!("_{number}");
        let room = CUSTOM_PREFIX.len() + MAX_SLUG_BYTES - tail.len();
        candidate = format!("{}{tail}", &name[..name.len().min(room)]);
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_finds_its_field_by_name_label_or_alias() {
        for (kind, heading, expected) in [
            (Kind::Customer, "org_name", Target::Single("org_name")),
            (Kind::Customer, "Org Name", Target::Single("org_name")),
            (Kind::Customer, "Job title", Target::Single("title")),
            (Kind::Customer, "公司", Target::Single("org_name")),
            (Kind::Customer, "PHONE", Target::List("phones")),
            (Kind::Customer, "E-Mail", Target::List("emails")),
            (Kind::Customer, "标签", Target::List("tags")),
            (Kind::Customer, "External ID", Target::ExternalId),
            (Kind::Interaction, "external_id", Target::Custom),
            (Kind::Event, "phone", Target::Custom),
            (Kind::Event, "开始时间", Target::Single("starts_at")),
            (Kind::Customer, "Shoe size", Target::Custom),
        ] {
            assert_eq!(target(kind, heading), expected, "{heading}");
        }
    }

    #[test]
    fn a_heading_makes_a_valid_custom_name() {
        for (heading, expected) in [
            ("Shoe size (EU)", "x_shoe_size_eu"),
            ("x_score", "x_score"),
            ("X_Score", "x_score"),
            ("客户等级", "x_u5ba2_u6237_u7b49_u7ea7"),
            ("VIP等级", "x_vip_u7b49_u7ea7"),
        ] {
            let name = slug(heading);
            assert!(is_custom(&name), "{name}");
            assert_eq!(name, expected);
        }
        assert!(is_custom(&slug("!!!")) && slug("!!!") != slug("???"));
        let long = slug(&"长".repeat(40));
        assert!(is_custom(&long) && long != slug(&"长".repeat(41)));
    }

    #[test]
    fn two_columns_never_share_a_custom_field() {
        let headings = ["name", "Name", "A-B", "a b", "email", "emails", ""];
        let columns = Columns::of(Kind::Customer, headings.into_iter());
        let kept: BTreeSet<_> = columns.columns.iter().map(|c| c.kept_as.clone()).collect();
        assert_eq!(kept.len(), headings.len());
        assert_eq!(columns.columns[1].target, Target::Custom);
        assert_eq!(columns.columns[5].target, Target::List("emails"));
    }
}
