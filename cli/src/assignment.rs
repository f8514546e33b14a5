//! `field=value` and `field:=json` on the command line. What a value means, the node says.

use std::collections::BTreeMap;
use std::str::FromStr;

use entente_node::api::record::Values;
use serde_json::Value as Json;
use thiserror::Error;

use crate::error::CliError;

/// A field and what it is set to.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    field: String,
    value: Value,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    Json(Json),
}

/// Why a word is no assignment.
#[derive(Debug, Error)]
pub enum AssignmentError {
    /// There is no `=` in it, or nothing before it.
    #[error("write FIELD=VALUE, or FIELD:=JSON")]
    Form,
    /// The part after `:=` is not JSON.
    #[error("not JSON after `:=`")]
    Json(#[from] serde_json::Error),
}

impl FromStr for Assignment {
    type Err = AssignmentError;

    /// Splits at the first `=`; a `:` just before it means JSON.
    fn from_str(word: &str) -> Result<Self, AssignmentError> {
        let (field, text) = word.split_once('=').ok_or(AssignmentError::Form)?;
        let (field, value) = match field.strip_suffix(':') {
            Some(field) => (field, Value::Json(serde_json::from_str(text)?)),
            None => (field, Value::Text(text.to_owned())),
        };
        match field.trim() {
            "" => Err(AssignmentError::Form),
            field => Ok(Self { field: field.to_owned(), value }),
        }
    }
}

/// The assignments as the API takes them.
pub fn values(assignments: Vec<Assignment>) -> Result<Values, CliError> {
    let mut values = Values { fields: BTreeMap::new(), text: BTreeMap::new() };
    for Assignment { field, value } in assignments {
        if values.fields.contains_key(&field) || values.text.contains_key(&field) {
            return Err(CliError::Usage {
                code: "given_twice",
                message: format!("`{field}` is given twice"),
                hint: Some("several values of one field go into one word: tags=vip,press".into()),
            });
        }
        match value {
            Value::Text(text) => {
                values.text.insert(field, text);
            }
            Value::Json(json) => {
                values.fields.insert(field, json);
            }
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_is_split_at_its_first_equals_sign_and_a_colon_before_it_means_json() {
        let words = ["name==SUM(A1)", "phones:=[\"+86\"]", "title=a=b", "url=http://x", "notes="];
        let parsed = words.iter().map(|word| word.parse().unwrap()).collect();
        let values = values(parsed).unwrap();
        assert_eq!(values.text["name"], "=SUM(A1)");
        assert_eq!(values.text["title"], "a=b");
        assert_eq!(values.text["url"], "http://x");
        assert_eq!(values.text["notes"], "");
        assert_eq!(values.fields["phones"], json!(["+86"]));
    }

    #[test]
    fn words_that_set_nothing_or_set_it_twice_are_refused() {
        for word in ["", "title", "=x", ":=1", "phones:=[", " =x"] {
            assert!(word.parse::<Assignment>().is_err(), "{word}");
        }
        let twice = vec!["a=1".parse().unwrap(), "a:=2".parse().unwrap()];
        assert!(values(twice).is_err());
    }
}
