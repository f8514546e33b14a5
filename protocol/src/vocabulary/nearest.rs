//! Finds the field a person probably meant. Knows names and labels, nothing of values.

use super::{Kind, fields};

/// The field whose name or label (English or Chinese) is nearest to what was typed;
/// `None` when nothing is near. Levenshtein distance over characters: at most two or a third
/// of them, and never more than half.
pub fn nearest(kind: Kind, name: &str) -> Option<&'static str> {
    let typed: Vec<char> = normal(name);
    let allowed = (typed.len() / 3).max(2).min(typed.len() / 2);
    fields(kind)
        .iter()
        .flat_map(|field| {
            [field.name, field.label_en, field.label_zh].map(|known| (known, field.name))
        })
        .map(|(known, name)| (distance(&typed, &normal(known)), name))
        .filter(|(distance, _)| *distance <= allowed && !typed.is_empty())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn normal(text: &str) -> Vec<char> {
    text.chars()
        .map(|c| if matches!(c, ' ' | '-') { '_' } else { c })
        .flat_map(char::to_lowercase)
        .collect()
}

fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_its_field_and_nonsense_finds_none() {
        for (kind, typed, expected) in [
            (Kind::Event, "titel", Some("title")),
            (Kind::Event, "start_at", Some("starts_at")),
            (Kind::Event, "Starts at", Some("starts_at")),
            (Kind::Event, "organizer", Some("organiser")),
            (Kind::Customer, "phone", Some("phones")),
            (Kind::Customer, "email", Some("emails")),
            (Kind::Customer, "Job Title", Some("title")),
            (Kind::Customer, "性別", Some("gender")),
            (Kind::Customer, "公司名", Some("org_name")),
            (Kind::Customer, "qwertyuiop", None),
            (Kind::Customer, "", None),
        ] {
            assert_eq!(nearest(kind, typed), expected, "{typed}");
        }
    }
}
