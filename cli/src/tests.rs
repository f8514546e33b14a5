//! The command from outside: words in, output and exit code out, against a node in this process.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};
use entente_node::config::{Config, Flags};
use entente_node::directory::Directory;
use entente_node::start::{self, Node};
use serde_json::Value as Json;
use tokio::runtime::Runtime;

use crate::command::{self, Cli};

/// What a call printed, and its exit code.
struct Said {
    out: String,
    err: String,
    exit: u8,
}

impl Said {
    fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}{}", self.out, self.err))
    }
}

fn call(data: &Path, words: &[&str]) -> Said {
    let mut all: Vec<OsString> = vec!["entente".into(), "--data".into(), data.into()];
    all.extend(words.iter().map(OsString::from));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = command::main(all, &mut out, &mut err, false);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { out: text(out), err: text(err), exit }
}

/// A data directory, and a node in it if there is one; both gone at the end.
struct Place {
    data: PathBuf,
    node: Option<(Runtime, Node)>,
}

impl Place {
    fn empty(name: &str) -> Self {
        let name = format!("entente-cli-{}-{name}", std::process::id());
        let data = std::env::temp_dir().join(name);
        Self { data, node: None }
    }

    fn with_node(name: &str) -> Self {
        let mut place = Self::empty(name);
        let directory = Directory::at(&place.data);
        start::init(&directory, "Acme").unwrap();
        let flags = Flags {
            http: Some("127.0.0.1:0".into()),
            listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
            ..Flags::default()
        };
        let config = Config::read(&place.data, &flags, &|_| None).unwrap();
        let runtime = Runtime::new().unwrap();
        let node = runtime.block_on(Node::start(directory, &config)).unwrap();
        place.node = Some((runtime, node));
        place
    }

    fn call(&self, words: &[&str]) -> Said {
        call(&self.data, words)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((runtime, node)) = self.node.take() {
            runtime.block_on(node.shutdown()).unwrap();
        }
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

/// Compares with a file under `tests/cli`; `UPDATE=1` writes it anew.
fn same_as(file: &str, now: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cli").join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, now).unwrap();
    }
    let then = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(then, now, "tests/cli/{file} is stale: run the tests with UPDATE=1");
}

#[test]
fn the_grammar_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn the_help_is_the_one_that_was_agreed_on() {
    let help = |mut command: clap::Command| command.render_help().to_string();
    same_as("help.txt", &help(Cli::command().term_width(100)));
}

#[test]
fn an_error_says_what_failed_why_and_what_to_do() {
    let place = Place::empty("errors");
    let mut text = String::new();
    for words in [
        &["status"][..],
        &["--json", "event", "list"],
        &["evnt", "list"],
        &["event", "create", "title"],
        &["event", "create", "phones:=[", "--json"],
        &["share", "grant", "S", "P", "--kind", "event"],
        &["wait", "synced", "--timeout", "soon"],
        &["run", "--http", "0.0.0.0:0"],
    ] {
        let said = place.call(words);
        text +=
            &format!("$ entente {}\n{}{}[{}]\n\n", words.join(" "), said.out, said.err, said.exit);
    }
    let text = text.replace(&place.data.display().to_string(), "DIR");
    same_as("errors.txt", &text);
}

#[test]
fn a_node_that_is_down_is_another_error_than_no_company() {
    let place = Place::with_node("down");
    let fresh = Place::empty("fresh");
    assert_eq!(fresh.call(&["status"]).exit, 3);
    assert!(fresh.call(&["status"]).err.contains(" init "));
    assert_eq!(place.call(&["status"]).exit, 0);
    let data = place.data.clone();
    let running = Directory::at(&data).running().unwrap().unwrap();
    let mut place = place;
    if let Some((runtime, node)) = place.node.take() {
        runtime.block_on(node.shutdown()).unwrap();
    }
    let down = place.call(&["status", "--json"]);
    assert_eq!((down.exit, &down.json()["error"]["code"]), (3, &Json::from("node_not_reachable")));
    // Killed: what it said of itself is still there.
    Directory::at(&data).set_running(&running).unwrap();
    let down = place.call(&["status"]);
    assert_eq!(down.exit, 3);
    assert_eq!(place.call(&["doctor"]).exit, 0);
    assert_eq!(place.call(&["store", "dump"]).exit, 0);
    assert!(!place.call(&["store", "dump", "--json"]).json().as_array().unwrap().is_empty());
    assert!(down.err.contains("hint: start it: entente --data "), "{}", down.err);
}

#[test]
fn a_record_goes_the_whole_way_and_globals_stand_anywhere() {
    let place = Place::with_node("record");
    let made = place.call(&["event", "create", "title=Spring launch", "capacity:=40", "--json"]);
    assert_eq!(made.exit, 0, "{}", made.err);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let shown = place.call(&["--json", "event", "show", &id[..12]]).json();
    assert_eq!(shown["fields"]["title"], "Spring launch");
    assert_eq!(shown["fields"]["capacity"], 40);
    let set = place.call(&["event", "--json", "set", &id, "title=", "notes==SUM(A1)"]).json();
    assert_eq!(set["fields"].get("title"), None);
    assert_eq!(set["fields"]["notes"], "=SUM(A1)");
    let list = place.call(&["event", "list", "--where", "capacity=40", "--json"]).json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(place.call(&["event", "delete", &id]).exit, 0);
    let gone = place.call(&["event", "show", &id, "--json"]);
    assert_eq!((gone.exit, &gone.json()["error"]["code"]), (1, &Json::from("not_found")));
}

#[test]
fn what_was_erased_is_told_until_the_store_is_written_anew() {
    let mut place = Place::with_node("compact");
    let since =
        |place: &Place| place.call(&["status", "--json"]).json()["store"]["erased_since"].clone();
    let erase = |place: &Place| {
        let made = place.call(&["customer", "create", "name=Token", "--json"]).json();
        assert_eq!(place.call(&["customer", "delete", made["id"].as_str().unwrap()]).exit, 0);
    };
    assert_eq!(since(&place), Json::Null);
    erase(&place);
    assert!(since(&place).is_string());
    assert!(place.call(&["doctor"]).out.contains("entente store compact"));
    let done = place.call(&["store", "compact", "--json"]).json();
    assert!(done["entries"].as_u64().unwrap() > 0, "{done}");
    assert_eq!(since(&place), Json::Null);
    erase(&place);
    if let Some((runtime, node)) = place.node.take() {
        runtime.block_on(node.shutdown()).unwrap();
    }
    let said = place.call(&["store", "compact"]);
    assert!(said.exit == 0 && said.out.contains("written anew"), "{}{}", said.out, said.err);
}

#[test]
fn an_unknown_field_is_wrong_usage_and_names_the_nearest() {
    let place = Place::with_node("nearest");
    let said = place.call(&["event", "create", "titel=Spring"]);
    assert_eq!(said.exit, 2);
    assert!(said.err.contains("`title`"), "{}", said.err);
    assert!(said.out.is_empty());
    let said = place.call(&["event", "create", "starts_at=soon", "--json"]);
    assert_eq!((said.exit, &said.json()["error"]["code"]), (2, &Json::from("bad_value")));
}

#[test]
fn a_file_is_imported_and_its_bad_rows_are_named() {
    let place = Place::with_node("import");
    let file = place.data.join("customers.csv");
    std::fs::write(&file, "name,emails\n王芳,w@example.com\n,\nAna,nowhere\n").unwrap();
    let words = ["customer", "import", file.to_str().unwrap(), "--json"];
    let dry = place.call(&[&words[..], &["--dry-run"]].concat()).json();
    assert_eq!((&dry["created"], &dry["import"]), (&Json::from(2), &Json::Null));
    let done = place.call(&words).json();
    assert_eq!(done["created"], 2);
    assert!(done["import"].as_str().unwrap().starts_with("imp_"));
    assert_eq!(done["warnings"][0]["line"], 4);
    let table = place.call(&["customer", "list"]).out;
    assert!(table.contains("王芳"), "{table}");
    let many = place.call(&["customer", "list", "--limit", "1"]);
    assert!(many.err.contains("--cursor "), "{}", many.err);
}

#[test]
fn what_is_not_built_yet_says_so_and_nothing_waits_for_an_answer() {
    let place = Place::with_node("later");
    let said = place.call(&["customer", "import", "undo", "imp_1", "--json"]);
    let code = &said.json()["error"]["code"];
    assert_eq!((said.exit, code), (1, &Json::from("not_built_yet")));
    place.call(&["share", "open", "S"]);
    let asked = place.call(&["share", "close", "S", "--json"]);
    assert_eq!((asked.exit, &asked.json()["error"]["code"]), (2, &Json::from("needs_yes")));
}

#[test]
fn every_list_is_one_document_with_json_and_says_something_without() {
    let place = Place::with_node("lists");
    for words in [
        &["partner", "list"][..],
        &["share", "list"],
        &["event", "list"],
        &["event", "conflicts"],
        &["fields", "event"],
        &["config", "show"],
        &["status"],
        &["wait", "synced"],
        &["inbox"],
        &["open"],
        &["doctor"],
        &["store", "dump"],
    ] {
        let json = place.call(&[words, &["--json"]].concat());
        assert_eq!(json.exit, 0, "{words:?} {}", json.err);
        json.json();
        let text = place.call(words);
        assert_eq!(text.exit, 0, "{words:?} {}", text.err);
        assert!(!text.out.is_empty() || words[0] == "store", "{words:?}");
    }
}

/// Every command that the page on permissions names.
fn commands_on_the_permissions_page() -> Vec<String> {
    let page = include_str!("../../docs/permissions.md");
    let quoted = page.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with("entente ")).map(str::to_owned).collect()
}

#[test]
fn every_command_on_the_permissions_page_is_one() {
    let commands = commands_on_the_permissions_page();
    assert!(commands.len() > 40, "{}", commands.len());
    for command in commands {
        let parsed = Cli::try_parse_from(command.split_whitespace());
        assert!(parsed.is_ok(), "{command}: {}", parsed.unwrap_err());
    }
}

#[test]
fn every_statement_on_the_permissions_page_has_a_command_that_shows_it() {
    let page = include_str!("../../docs/permissions.md");
    let tables = page.split("| what holds | what shows it |\n|---|---|\n").skip(1);
    let rows = tables.flat_map(|table| table.lines().take_while(|line| line.starts_with('|')));
    let mut count = 0;
    for row in rows {
        let shows = row.rsplit(" | ").next().unwrap_or_default();
        assert!(shows.starts_with("`entente "), "{row}");
        count += 1;
    }
    assert!(count > 40, "{count} statements");
}
