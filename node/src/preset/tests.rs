//! What each preset gives each side, field by field, and how files go before presets.

use std::collections::BTreeMap;

use entente_protocol::vocabulary::{self, Class, Kind};

use super::*;
use crate::api::grant::Access;
use crate::policy::Clause;

const NOWHERE: &str = "/nowhere/presets";

/// For each field of the vocabulary: what these grants let the other side do with it.
fn rights(clauses: &[Clause]) -> BTreeMap<String, char> {
    let mut rights = BTreeMap::new();
    for Clause { grant, .. } in clauses {
        for kind in &grant.contribute {
            rights.insert(kind.plural().to_owned(), 'a');
        }
        for field in &grant.fields {
            let kind = grant.kind.expect("fields have a kind");
            let right = if grant.can == Access::Edit { 'e' } else { 'r' };
            let before = rights.insert(format!("{kind}.{field}"), right);
            assert_eq!(before, None, "{kind}.{field} stands in one grant only");
        }
    }
    rights
}

/// Those fields of a kind, in the order of the vocabulary, with what may be done.
fn row(rights: &BTreeMap<String, char>, kind: Kind) -> String {
    let fields = vocabulary::fields(kind).iter().filter_map(|field| {
        let right = rights.get(&format!("{kind}.{}", field.name))?;
        Some(if *right == 'e' { format!("{}!", field.name) } else { field.name.to_owned() })
    });
    fields.collect::<Vec<_>>().join(" ")
}

const EVENT: &str = "title summary kind status starts_at ends_at timezone venue address region \
     online_url organiser co_organisers capacity registration_url language audience_brief \
     target_tags";
const LIST: &str = "event customer contributed_by via role status! registered_at guests staff_name";
const TOUCHES: &str = "customer event actor_org at channel direction type counts_to_cap";

#[test]
fn each_preset_gives_each_side_exactly_this() {
    let edited: String = EVENT.split_whitespace().map(|field| format!("{field}! ")).collect();
    let edited = format!("{edited}tags!");
    let both = "event customer contributed_by via role status! registered_at checked_in_at! \
         guests staff_name";
    let leads = "type name org_name title department emails phones region language consent \
         do_not_contact";
    let known = "type name org_name title";
    let people = "type name org_name title language";
    let counts = "event contributed_by role status guests";
    // event, customer, participation, interaction, followup; what may be added
    let table: [(&str, [&str; 5], &str, [&str; 5]); 4] = [
        ("agency", [EVENT, "", "", "", ""], "customers participations", ["", known, LIST, "", ""]),
        (
            "attendance-counts-only",
            ["title kind status starts_at ends_at timezone region", "", counts, "", ""],
            "customers participations",
            ["", "", counts, "", ""],
        ),
        (
            "co-organiser",
            [&edited, people, both, TOUCHES, ""],
            "customers interactions participations",
            ["", people, both, TOUCHES, ""],
        ),
        (
            "lead-supplier",
            [
                "title summary kind status starts_at ends_at timezone venue region organiser \
                 language audience_brief target_tags",
                "",
                "",
                "",
                "customer event participation assigned_org stage closed_at",
            ],
            "customers participations",
            [
                "",
                leads,
                "event customer contributed_by via role status! registered_at fit_reason",
                "",
                "",
            ],
        ),
    ];
    let names: Vec<String> =
        list(Path::new(NOWHERE)).unwrap().into_iter().map(|preset| preset.name).collect();
    assert_eq!(names, table.each_ref().map(|row| row.0));
    let words = |text: &str| -> Vec<String> {
        let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        words.sort();
        words
    };
    for (name, given, added, back) in table {
        let preset = find(Path::new(NOWHERE), name).unwrap();
        assert!(!preset.about.is_empty());
        for (side, clauses, expected) in
            [("given", &preset.grants, given), ("back", &preset.back, back)]
        {
            let rights = rights(clauses);
            for (kind, expected) in Kind::ALL.into_iter().zip(expected) {
                assert_eq!(words(&row(&rights, kind)), words(expected), "{name} {side} {kind}");
            }
            let adds: Vec<&String> =
                rights.iter().filter(|(_, right)| **right == 'a').map(|(name, _)| name).collect();
            let expected = if side == "given" { words(added) } else { Vec::new() };
            assert_eq!(adds, expected.iter().collect::<Vec<_>>(), "{name} {side}");
            for at in rights.keys().filter_map(|at| at.split_once('.')) {
                let class = vocabulary::class(Kind::from_name(at.0).unwrap(), at.1);
                assert!(class < Some(Class::S4), "{at:?}: nobody's profile goes by a preset");
                let reach = class == Some(Class::S3);
                assert!(!reach || (name, side) == ("lead-supplier", "back"), "{name} {at:?}");
            }
        }
    }
}

#[test]
fn a_file_goes_before_the_preset_of_its_name_and_adds_others() {
    let directory = std::env::temp_dir().join(format!("entente-presets-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let own = "about = \"Ours\"\n[[grant]]\nkind = \"event\"\nfields = [\"title\"]\n";
    fs::write(directory.join("agency.toml"), own).unwrap();
    fs::write(directory.join("venue.toml"), own).unwrap();
    fs::write(directory.join("broken.toml"), "[[grant]]\nkind = \"evnt\"\n").unwrap();
    fs::write(directory.join("readme.txt"), "not a preset").unwrap();
    let all = list(&directory).unwrap();
    assert_eq!(all.len(), 6);
    assert_eq!(find(&directory, "agency").unwrap().grants[0].grant.fields, ["title"]);
    assert!(find(&directory, "venue").is_ok());
    let broken = find(&directory, "broken").unwrap_err().to_string();
    assert!(broken.contains("line 2: "), "{broken}");
    let unknown = find(&directory, "venues").unwrap_err().to_string();
    assert!(unknown.contains("agency, attendance-counts-only, broken"), "{unknown}");
    fs::remove_dir_all(directory).unwrap();
}
