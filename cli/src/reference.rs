//! `docs/cli.md`: written from the grammar, so that the two never differ.

use std::fmt::Write as _;

use clap::{Command, CommandFactory};

use crate::command::Cli;

const WIDTH: usize = 100;
const HEAD: &str = "\
# The command line

Generated from the program; a test fails when it is stale (`UPDATE=1 cargo test -p entente`).

Data goes to standard output, everything else to standard error. With `--json`, standard output is
exactly one JSON document; an error is `{\"error\":{\"code\":\"…\",\"message\":\"…\",\"hint\":\"…\"}}`.

| exit | means |
|---|---|
| 0 | done |
| 1 | the request cannot be met |
| 2 | wrong usage, or a question that nobody was there to answer |
| 3 | the node is not reachable |
| 4 | refused by a permission or by a missing consent |
| 70 | a fault of this program |

Values are written `field=value`, split at the first `=`; `field:=json` takes JSON; an empty value
clears the field. Durations are `90s` or `7d`, times are RFC 3339. Ids may be cut to any unique
beginning; partners also go by alias, shares by name.
";

/// The reference, as Markdown.
fn reference() -> String {
    let mut root = Cli::command().term_width(WIDTH).disable_help_subcommand(true);
    root.build();
    let mut text = HEAD.to_owned();
    section(&mut text, &mut root, "entente");
    text
}

fn section(text: &mut String, command: &mut Command, name: &str) {
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    let level = "#".repeat(1 + name.split(' ').count().min(4));
    let help = help.join("\n");
    let _ = write!(text, "\n{level} {name}\n\n```text\n{}\n```\n", help.trim_end());
    for inner in command.get_subcommands_mut() {
        if inner.get_name() != "help" {
            let name = format!("{name} {}", inner.get_name());
            section(text, inner, &name);
        }
    }
}

/// `UPDATE=1` writes the file anew.
#[test]
fn the_reference_in_the_docs_is_the_grammar_of_the_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
    let now = reference();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let then = std::fs::read_to_string(path).unwrap_or_default();
    assert!(then == now, "docs/cli.md is stale: run the tests with UPDATE=1");
}
