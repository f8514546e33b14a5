//! What is written reads back the same; every fault has its line.

use super::*;

const GOOD: &str = r#"
share = "launch"
reshare = "ask"

[[grant]]
partner = "bright-agency"
kind = "customer"
fields = ["phones", "name"]
can = "read"
where = "tags=vip"
keep = true
with_history = true
depth = 1
expires = "2027-03-01"

[[grant]]
partner = "cedar"
contribute = ["customer", "participation"]
"#;

#[test]
fn what_is_written_reads_back_the_same() {
    let read = policy(GOOD).unwrap();
    assert_eq!((read.share.as_str(), read.reshare), ("launch", Some(Reshare::Ask)));
    let lines: Vec<usize> = read.clauses.iter().map(|clause| clause.line).collect();
    assert_eq!(lines, [5, 16]);
    let first = &read.clauses[0].grant;
    assert_eq!(first.fields, ["name", "phones"]);
    assert_eq!((first.depth, first.keep, first.can), (1, true, Access::Read));
    let again = policy(&write(&read, "a \"quoted\" name\n")).unwrap();
    let grants = |policy: &Policy| -> Vec<NewGrant> {
        policy.clauses.iter().map(|clause| clause.grant.clone()).collect()
    };
    assert_eq!(grants(&again), grants(&read));
    assert_eq!((again.share, again.reshare), (read.share, read.reshare));
}

#[test]
fn every_fault_is_told_with_its_line_and_what_to_do() {
    let faults = |text: &str| -> Vec<String> {
        policy(text).unwrap_err().iter().map(ToString::to_string).collect()
    };
    let head = "share = \"launch\"\n[[grant]]\npartner = \"bright\"\n";
    let with = |rest: &str| faults(&format!("{head}{rest}"));
    for (rest, line, part) in [
        ("kind = \"customer\"\nfields = [\"nme\"]", 5, "nme"),
        ("kind = \"customer\"\nfields = [\n  \"name\",\n  \"remark\",\n]", 7, "internal"),
        ("kind = \"custmer\"\nfields = [\"name\"]", 4, "must be event or customer or"),
        ("kind = \"customer\"", 2, "fields one by one"),
        ("fields = [\"name\"]", 2, "name the kind"),
        ("kind = \"customer\"\nfields = \"name\"", 5, "must be a list"),
        ("kind = \"customer\"\nfields = [\"name\"]\ndepth = 9", 6, "0 to 7"),
        ("kind = \"customer\"\nfields = [\"name\"]\ncan = \"write\"", 6, "read or edit"),
        ("kind = \"customer\"\nfields = [\"name\"]\nwhere = \"vip\"", 6, "not a selection"),
        ("kind = \"customer\"\nfields = [\"name\"]\nexpires = \"7d\"", 6, "never be the same"),
        ("kind = \"customer\"\nfields = [\"name\"]\nexpires = \"soon\"", 6, "day or a time"),
        ("kind = \"customer\"\nfields = [\"name\"]\nkep = true", 6, "`kep` is not one of"),
        ("contribute = [\"guests\"]", 4, "no kind of record `guests`"),
        ("contribute = [\"customer\"]\nkeep = true", 2, "partner, depth and expires"),
        ("contribute = [\"customer\"]\nkind = \"event\"\nfields = [\"title\"]", 2, "two grants"),
        ("kind = ", 4, ""),
    ] {
        let found = with(rest);
        let start = format!("line {line}: ");
        let fits = |fault: &String| fault.starts_with(&start) && fault.contains(part);
        assert!(found.iter().any(fits), "{rest}: {found:#?}");
    }
    let two = with("kind = \"customer\"\nfields = [\"nme\", \"remark\"]");
    assert_eq!(two.len(), 2, "{two:#?}");
    let nobody = faults("share = \"launch\"\n[[grant]]\ncontribute = [\"customer\"]");
    assert!(nobody[0].contains("partner = "), "{nobody:#?}");
    assert!(faults("")[0].contains("name the share"));
}
