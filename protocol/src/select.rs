//! Selectors: `status=open, tags=vip`. Decide which records a rule or a list is meant for.

use crate::mutation::{Law, broken};
use crate::refusal::Refusal;
use crate::value::{Fields, Value};
use crate::vocabulary::{self, Kind, ValueError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Is,
    IsNot,
    Contains,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    field: String,
    test: Test,
    text: String,
}

/// Conditions that must all hold; none holds for every record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    conditions: Vec<Condition>,
}

impl Selector {
    /// Reads `field=value`, `field!=value` or `field~part`, several separated by commas.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, Refusal> {
        let refuse = |why| Refusal::Selector { text: text.to_owned(), why };
        let mut conditions = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let at = part.find(['=', '~']).ok_or(refuse("there is no `=` in it"))?;
            let (left, right) = (&part[..at], &part[at + 1..]);
            let (field, test) = match left.strip_suffix('!') {
                Some(field) => (field, Test::IsNot),
                None if part.as_bytes()[at] == b'~' => (left, Test::Contains),
                None => (left, Test::Is),
            };
            let field = field.trim();
            if vocabulary::class(kind, field).is_none() {
                let (name, nearest) = (field.to_owned(), vocabulary::nearest(kind, field));
                return Err(ValueError::Unknown { kind, name, nearest }.into());
            }
            conditions.push(Condition {
                field: field.to_owned(),
                test,
                text: right.trim().to_owned(),
            });
        }
        Ok(Self { conditions })
    }

    /// Whether a record with these fields is meant.
    pub fn selects(&self, kind: Kind, fields: &Fields) -> bool {
        broken(Law::Selector)
            || self.conditions.iter().all(|condition| {
                let values = texts(kind, &condition.field, fields.get(&condition.field));
                match condition.test {
                    Test::Is if condition.text.is_empty() => values.is_empty(),
                    Test::Is => values.contains(&condition.text),
                    Test::IsNot if condition.text.is_empty() => !values.is_empty(),
                    Test::IsNot => !values.contains(&condition.text),
                    Test::Contains => {
                        let part = condition.text.to_lowercase();
                        values.iter().any(|value| value.to_lowercase().contains(&part))
                    }
                }
            })
    }
}

/// What a value may be called in a selector: for sets and lists each element.
fn texts(kind: Kind, field: &str, value: Option<&Value>) -> Vec<String> {
    match value {
        None => Vec::new(),
        Some(Value::Set(elements)) => elements
            .iter()
            .flat_map(|element| {
                let name = serde_json::from_str::<serde_json::Value>(element)
                    .ok()
                    .and_then(|tag| Some(tag.get("name")?.as_str()?.to_owned()));
                [Some(vocabulary::element_text(element)), name]
            })
            .flatten()
            .collect(),
        Some(Value::Json(text)) => match serde_json::from_str(text) {
            Ok(serde_json::Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                .collect(),
            Ok(_) | Err(_) => vec![text.clone()],
        },
        Some(value) => vec![vocabulary::to_text(kind, field, value)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(text: &str) -> bool {
        let tags = [r#"{"group":"segment","name":"vip"}"#.to_owned()].into();
        let fields = Fields::from([
            ("name".to_owned(), Value::Str("Lin Wei".to_owned())),
            ("tags".to_owned(), Value::Set(tags)),
            ("emails".to_owned(), Value::Json(r#"["lin@example.com"]"#.to_owned())),
        ]);
        Selector::parse(Kind::Customer, text).unwrap().selects(Kind::Customer, &fields)
    }

    #[test]
    fn a_selector_reads_scalars_sets_and_lists() {
        let yes = [
            "",
            "name=Lin Wei",
            "tags=vip",
            "tags=segment:vip",
            "name~lin",
            "region=",
            "name!=",
            "name!=Bo, tags=vip",
            "emails=lin@example.com",
        ];
        for text in yes {
            assert!(selects(text), "{text}");
        }
        for text in ["name=Bo", "tags=new", "region=North", "name~wei, tags!=vip", "name="] {
            assert!(!selects(text), "{text}");
        }
        assert!(Selector::parse(Kind::Customer, "nme=x").is_err());
        assert!(Selector::parse(Kind::Customer, "name").is_err());
    }
}
