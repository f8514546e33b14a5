//! What scripts may rely on: exit codes, the shape of errors, one document on the data channel,
//! values as they are written on a command line, and that nothing ever waits for an answer.

use std::process::Stdio;

use serde_json::{Value as Json, json};

use super::call::{run, words};
use super::node::{Org, len, pair};

#[test]
fn every_verb_says_exactly_one_document_with_json() {
    let (acme, bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    pair(&acme, &bright);
    let event = acme.id_of("event create title=Launch");
    let customer = acme.id_of("customer create name=Ann");
    acme.ok(&format!("share open launch --event {event}"));
    let file = acme.file("customers.csv", "name,emails\nBob,bob@example.com\n");
    for (line, list) in [
        ("status", false),
        ("wait synced --timeout 20s", false),
        ("fields", true),
        ("fields customer", true),
        ("doctor", true),
        ("config show", true),
        ("open", false),
        ("partner list", true),
        ("partner show bright-agency", false),
        ("partner invite", false),
        ("partner confirm bright-agency", false),
        ("partner pause bright-agency", false),
        ("partner resume bright-agency", false),
        ("partner alias bright-agency bright", false),
        ("event list", true),
        ("event show EVENT", false),
        ("event set EVENT venue=Hall", false),
        ("event history EVENT", true),
        ("event conflicts", true),
        ("event conflicts EVENT", true),
        ("event roster EVENT", true),
        ("customer list", true),
        ("customer show CUSTOMER", false),
        ("customer import FILE --dry-run", false),
        ("customer import FILE", false),
        ("customer consent CUSTOMER give --purpose launch", true),
        ("customer consent CUSTOMER show", true),
        ("customer consent --where name=Bob give --purpose launch", false),
        ("share list", true),
        ("share show launch", false),
        ("share add launch CUSTOMER", false),
        ("share grant launch bright --kind customer --fields name --dry-run", false),
        ("--yes share grant launch bright --kind customer --fields name", false),
        ("--yes share grant launch bright --contribute customer", false),
        ("--yes participation add EVENT CUSTOMER --dry-run", false),
        ("--yes participation add EVENT CUSTOMER", false),
        ("--yes participation add EVENT --staff Eve", false),
        ("participation list", true),
        ("share remove launch CUSTOMER", false),
        ("interaction create x_kind=call", false),
        ("interaction list", true),
        ("followup list", true),
        ("store dump", true),
        ("customer delete CUSTOMER", false),
    ] {
        let line = line.replace("EVENT", &event).replace("CUSTOMER", &customer);
        let said = acme.call(&line.replace("FILE", &file));
        let json = said.ok();
        assert_eq!(json.is_array(), list, "{line}: {json:#}");
        assert!(said.out.ends_with('\n'), "{line}");
    }
    // The grammar's own words, and lists of nothing.
    assert_eq!(bright.ok("interaction list"), json!([]));
    assert_eq!(acme.table("--version").exit, 0);
    assert_eq!(acme.table("completions bash").exit, 0);
    assert_eq!(acme.table("partner list").exit, 0);
}

#[test]
fn every_kind_of_failure_has_its_exit_code_and_its_error_a_code_a_message_and_a_hint() {
    let (acme, bright) = (Org::running("Acme Motors"), Org::new("Bright Agency"));
    let event = acme.id_of("event create title=Launch");
    let customer = acme.id_of("customer create name=Ann");
    acme.ok(&format!("share open launch --event {event}"));
    let code = |line: &str, exit: i32| acme.call(line).refused(exit).0;
    assert_eq!(code("event show evt_2222", 1), "not_found");
    assert_eq!(code(&format!("customer show {event}"), 1), "not_found");
    assert_eq!(code("share show other", 1), "not_found");
    assert_eq!(code("partner show other", 1), "not_found");
    assert_eq!(code("partner accept entente1nonsense", 1), "invite");
    assert_eq!(code("partner accept nonsense", 1), "invite");
    assert_eq!(code("customer import /no/such/file.csv", 1), "unreadable_file");
    assert_eq!(code("evnt list", 2), "usage");
    assert_eq!(code("event create title", 2), "usage");
    assert_eq!(code(&format!("event set {event} capacity=many"), 2), "bad_value");
    assert_eq!(code(&format!("event set {event} starts_at=soon"), 2), "bad_value");
    assert_eq!(code(&format!("event set {event} title=a title=b"), 2), "given_twice");
    assert_eq!(code("event list --where nonsense", 2), "bad_selector");
    assert_eq!(
        code("share grant launch other --kind customer --fields owner_user", 4),
        "internal_field"
    );
    assert_eq!(code("share grant launch other --kind customer --fields x_vip", 4), "custom_field");
    assert_eq!(code(&format!("--yes share add launch {customer}"), 4), "all_held_back");
    let down = bright.call("event list");
    assert_eq!(down.refused(3).0, "node_not_reachable");
    let hint = down.json()["error"]["hint"].as_str().unwrap().to_owned();
    let data = bright.data().to_str().unwrap().to_owned();
    assert_eq!(hint, format!("start it: entente --data {data} run"));
    // The hint is a command that works.
    assert!(down.err.contains(&hint), "{}", down.err);
    let nowhere = format!("--json --data {data}/nowhere status");
    let nowhere = run(&words(&nowhere), Stdio::null());
    assert_eq!(nowhere.refused(3).0, "no_org");
    assert!(nowhere.err.contains(" init "), "{}", nowhere.err);
    let again = acme.call("init --name Other");
    assert_eq!(again.refused(1).0, "taken");
}

#[test]
fn an_unknown_field_is_wrong_usage_and_the_nearest_known_one_is_named() {
    let acme = Org::running("Acme Motors");
    let event = acme.id_of("event create title=Launch");
    for (line, nearest) in [
        ("event create titel=Launch", "`title`"),
        ("event create titel:='\"Launch\"'", "`title`"),
        (&format!("event set {event} venu=Hall"), "`venue`"),
        ("customer create phone=+8613800138000", "`phones`"),
        ("customer list --where org_nam=X", "`org_name`"),
        ("event list --sort start_at", "`starts_at`"),
        (&format!("event history {event} titl"), "`title`"),
    ] {
        let said = acme.call(line);
        let (code, message) = said.refused(2);
        assert_eq!(code, "unknown_field", "{said:#?}");
        assert!(message.contains(nearest), "{said:#?}");
    }
    assert_eq!(acme.ok(&format!("event set {event} x_titel=Own"))["fields"]["x_titel"], "Own");
    assert_eq!(len(&acme.ok("event list")), 1, "nothing was made");
}

#[test]
fn values_are_split_at_the_first_equals_sign_and_a_colon_before_it_means_json() {
    let acme = Org::running("Acme Motors");
    let id = acme.id_of(
        "customer create name==SUM(A1) phones:='[\"+86 138 0013 8000\",\"+1 602 555 0156\"]' \
         remark=a=b:=c org_name='王府井 & Söhne' x_note==1",
    );
    let shown = acme.ok(&format!("customer show {id}"));
    let fields = &shown["fields"];
    assert_eq!(fields["name"], "=SUM(A1)");
    assert_eq!(fields["phones"], json!(["+8613800138000", "+16025550156"]));
    assert_eq!((&fields["remark"], &fields["x_note"]), (&"a=b:=c".into(), &"=1".into()));
    assert_eq!(fields["org_name"], "王府井 & Söhne");
    let set = acme.ok(&format!("customer set {id} remark= phones:=null"));
    assert_eq!((set["fields"].get("remark"), set["fields"].get("phones")), (None, None));
    acme.call(&format!("customer set {id} phones:=[")).refused(2);
    acme.call(&format!("customer set {id} phones:='[1]'")).refused(2);
    assert_eq!(acme.ok(&format!("customer show {id}"))["fields"]["name"], "=SUM(A1)");
    let history = acme.ok(&format!("customer history {id} phones"));
    assert_eq!((len(&history), &history[0]["to"]), (2, &Json::Null));
    let change = history[0]["change"].as_str().unwrap();
    let undone = acme.ok(&format!("customer undo {id} {change}"));
    assert_eq!(undone["fields"]["phones"], json!(["+8613800138000", "+16025550156"]));
}

#[test]
fn nothing_waits_for_an_answer_where_nobody_can_give_one() {
    let (acme, bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    pair(&acme, &bright);
    let firm = acme.id_of("customer create type=company name=Firm");
    let event = acme.id_of("event create title=Launch");
    acme.ok(&format!("share open launch --event {event}"));
    let grant = "share grant launch bright-agency --kind event --fields title";
    // Neither with nothing on standard input nor with a pipe that stays open.
    for stdin in [Stdio::null, Stdio::piped] {
        let said = acme.call_with(grant, stdin());
        assert_eq!(said.refused(2).0, "needs_yes");
        assert!(said.err.contains("title"), "what would leave is shown: {}", said.err);
    }
    acme.call("partner remove bright-agency").refused(2);
    acme.call("share close launch").refused(2);
    acme.settle();
    assert_eq!(bright.ok("event list"), json!([]), "nothing has left");
    assert_eq!(acme.ok("share show launch")["grants"], json!([]));
    acme.ok(&format!("--yes {grant}"));
    bright.until("event list", super::node::PATIENCE, |list| len(list) == 1);
    acme.ok("--yes share grant launch bright-agency --kind customer --fields name");
    assert_eq!(acme.call(&format!("share add launch {firm}")).refused(2).0, "needs_yes");
    acme.settle();
    assert_eq!(bright.ok("customer list"), json!([]));
}

#[test]
fn a_dry_run_tells_what_would_leave_and_changes_nothing() {
    let (acme, bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    pair(&acme, &bright);
    let event = acme.id_of("event create title=Launch");
    acme.ok(&format!("share open launch --event {event}"));
    let firm = acme.id_of("customer create type=company name=Firm");
    let ann = acme.id_of("customer create name=Ann");
    let grant = "share grant launch bright-agency --kind event --fields title,venue --depth 1";
    let dry = acme.ok(&format!("{grant} --dry-run"));
    assert_eq!(len(&dry["to"]), 1);
    let to = &dry["to"][0];
    assert_eq!(
        (&to["name"], &to["kind"], &to["records"]),
        (&"Bright Agency".into(), &"event".into(), &1.into())
    );
    assert_eq!(
        (&to["fields"], &to["depth"], &to["edit"]),
        (&json!(["title", "venue"]), &1.into(), &false.into())
    );
    assert_eq!(acme.ok("share show launch")["grants"], json!([]));
    acme.ok("--yes share grant launch bright-agency --kind customer --fields name");
    let dry = acme.ok(&format!("share add launch {firm} {ann} --dry-run"));
    assert_eq!((&dry["to"][0]["records"], len(&dry["held_back"])), (&1.into(), 1));
    assert_eq!(dry["held_back"][0]["record"], *ann);
    let dry = acme.ok(&format!("participation add {event} {firm} --dry-run"));
    assert_eq!(dry["to"][0]["name"], "Bright Agency");
    assert_eq!(acme.ok("participation list"), json!([]));
    acme.settle();
    assert_eq!(bright.ok("customer list"), json!([]));
    assert_eq!(bright.ok("event list"), json!([]));
}
