//! Tells the story: to people line by line as it happens, to programs as one document at the end.

use std::time::Duration;

use console::{Style, Term};
use entente_protocol::vocabulary::{self, Kind};
use serde::Serialize;

use super::error::DemoError;
use crate::error::CliError;
use crate::session::Session;
use crate::table::width;

const WIDTH: usize = 100;
const TEXT_MAX: usize = 110;
const INDENT: usize = 4;
const LABELS_MAX: usize = 4;

/// One step of the story.
#[derive(Debug, Serialize)]
pub struct Step {
    number: usize,
    title: String,
    held: bool,
    lines: Vec<Line>,
}

/// One line of a step.
#[derive(Debug, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
enum Line {
    /// What somebody does.
    Said { text: String },
    /// What left one company for another.
    Crossed { from: String, to: String, text: String },
    /// What did not leave a company.
    Stayed { at: String, text: String },
    /// What was looked at and found to be so.
    Checked {
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        took_ms: Option<u64>,
    },
}

/// The story as it is told.
pub struct Telling<'a, 'b> {
    session: &'a mut Session<'b>,
    steps: Vec<Step>,
    columns: usize,
}

impl<'a, 'b> Telling<'a, 'b> {
    /// Begins to tell.
    pub fn to(session: &'a mut Session<'b>) -> Self {
        let columns = Term::stdout().size_checked().map_or(WIDTH, |(_, columns)| columns.into());
        Self { session, steps: Vec::new(), columns }
    }

    /// How wide the terminal is.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The document for programs.
    pub fn document(&mut self, json: &str) -> Result<(), CliError> {
        match self.session.globals.json {
            true => self.session.write(format!("{json}\n").as_bytes()),
            false => Ok(()),
        }
    }

    /// A title, or a text between the steps; only for people.
    pub fn plain(&mut self, text: &str) -> Result<(), CliError> {
        match self.session.globals.json {
            true => Ok(()),
            false => self.session.write(format!("{}\n", text.trim_end()).as_bytes()),
        }
    }

    /// A title.
    pub fn title(&mut self, text: &str) -> Result<(), CliError> {
        self.plain(&Style::new().bold().apply_to(text).to_string())
    }

    /// A text as wide as the terminal, or as is good to read.
    pub fn paragraph(&mut self, text: &str) -> Result<(), CliError> {
        let text = wrapped(text, self.columns.min(TEXT_MAX), 0);
        self.plain(&text)
    }

    /// The next step begins; the one before has held.
    pub fn step(&mut self, title: &str) -> Result<(), CliError> {
        self.hold();
        let number = self.steps.len() + 1;
        self.steps.push(Step { number, title: title.to_owned(), held: false, lines: Vec::new() });
        let heading = format!("\n{number:>2}  {title}");
        self.plain(&Style::new().bold().apply_to(heading).to_string())
    }

    /// What somebody does.
    pub fn said(&mut self, text: String) -> Result<(), CliError> {
        self.line(&text.clone(), &Style::new(), "", Line::Said { text })
    }

    /// What left one company for another.
    pub fn crossed(&mut self, from: &str, to: &str, text: String) -> Result<(), CliError> {
        let words = format!("{from} to {to}: {text}");
        let line = Line::Crossed { from: from.to_owned(), to: to.to_owned(), text };
        self.line(&words, &Style::new().cyan(), "→ ", line)
    }

    /// What did not leave a company.
    pub fn stayed(&mut self, at: &str, text: String) -> Result<(), CliError> {
        let words = format!("stays at {at}: {text}");
        let line = Line::Stayed { at: at.to_owned(), text };
        self.line(&words, &Style::new().yellow(), "🔒 ", line)
    }

    /// What was looked at and found to be so.
    pub fn checked(&mut self, text: String, took: Option<Duration>) -> Result<(), CliError> {
        let words = match took {
            Some(took) => format!("{text} ({} ms)", took.as_millis()),
            None => text.clone(),
        };
        let took_ms = took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        self.line(&words, &Style::new().green(), "✓ ", Line::Checked { text, took_ms })
    }

    /// Fails the step unless it is so.
    pub fn expect(&self, is: bool, what: impl FnOnce() -> String) -> Result<(), CliError> {
        match is {
            true => Ok(()),
            false => Err(DemoError::Untrue { step: self.steps.len(), what: what() }.into()),
        }
    }

    /// The last step has held; every step.
    pub fn all_held(&mut self) -> &[Step] {
        self.hold();
        &self.steps
    }

    fn hold(&mut self) {
        if let Some(step) = self.steps.last_mut() {
            step.held = true;
        }
    }

    fn line(&mut self, words: &str, style: &Style, mark: &str, line: Line) -> Result<(), CliError> {
        let indent = INDENT + width(mark);
        let words = wrapped(words, self.columns.min(TEXT_MAX), indent);
        let mark = format!("{}{mark}", " ".repeat(INDENT));
        self.plain(&format!("{}{}", style.apply_to(mark), words.trim_start()))?;
        if let Some(step) = self.steps.last_mut() {
            step.lines.push(line);
        }
        Ok(())
    }
}

/// The names of fields as people read them; the first few, and how many more.
pub fn labels<S: AsRef<str>>(kind: Kind, fields: &[S]) -> String {
    let label = |name: &S| {
        let name = name.as_ref();
        let label = vocabulary::field(kind, name).map_or(name, |field| field.label_en);
        match label.chars().nth(1).is_some_and(char::is_uppercase) {
            true => label.to_owned(),
            false => label.to_lowercase(),
        }
    };
    fields.iter().map(label).collect::<Vec<_>>().join(", ")
}

/// The first few of the names of fields, and how many more there are.
pub fn some_labels(kind: Kind, fields: &[&str]) -> String {
    let (first, rest) = fields.split_at(fields.len().min(LABELS_MAX));
    match rest.len() {
        0 => labels(kind, first),
        more => format!("{} and {more} more", labels(kind, first)),
    }
}

/// Lines of at most so many columns, all of them indented.
fn wrapped(text: &str, columns: usize, indent: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, |line| width(line));
        if line > 0 && indent + line + 1 + width(word) > columns {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    let lines = lines.iter().map(|line| format!("{}{line}\n", " ".repeat(indent)));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_wide_letters_count_twice() {
        assert_eq!(wrapped("one two three", 9, 2), "  one two\n  three\n");
        assert_eq!(wrapped("极光 首次 ab", 9, 0), "极光 首次\nab\n");
        assert_eq!(labels(Kind::Customer, &["name", "org_name"]), "name, company");
    }
}
