//! Lists and files at the edge of the command line: cursors, limits, selections, the beginnings of
//! ids, and what an import says of the rows it could not take.

use serde_json::{Value as Json, json};

use super::node::{Org, PATIENCE, len, pair};

fn names(list: &Json) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["fields"]["name"].as_str().unwrap()).collect()
}

#[test]
fn a_list_is_read_page_by_page_and_each_record_comes_once() {
    let acme = Org::running("Acme Motors");
    let rows: String = (0..120).map(|n| format!("Guest {n:03},{}\n", n % 3)).collect();
    let file = acme.file("many.csv", &format!("name,x_third\n{rows}"));
    assert_eq!(acme.ok(&format!("customer import {file}"))["created"], 120);
    assert_eq!(len(&acme.ok("customer list")), 100, "the limit that nobody named");
    assert_eq!(len(&acme.ok("customer list --limit 5000")), 120);
    for options in ["", " --sort name", " --sort -name"] {
        let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let said = acme.call(&format!("customer list --limit 50{options}{cursor}"));
            let page = said.ok();
            seen.extend(names(&page).into_iter().map(str::to_owned));
            pages += 1;
            let Some((_, next)) = said.err.split_once("--cursor ") else { break };
            cursor = format!(" --cursor {}", next.trim());
        }
        assert_eq!((seen.len(), pages), (120, 3), "{options}");
        match options {
            " --sort name" => assert!(seen.is_sorted()),
            " --sort -name" => assert!(seen.iter().rev().is_sorted()),
            _ => seen.sort(),
        }
        seen.dedup();
        assert_eq!(seen.len(), 120, "{options}");
    }
    let third = acme.ok("customer list --where x_third=1 --limit 1000");
    assert_eq!(len(&third), 40);
    assert_eq!(len(&acme.ok("customer list --from partners")), 0);
    acme.call("customer list --cursor nonsense").refused(2);
}

#[test]
fn an_id_may_be_cut_to_any_beginning_that_is_the_only_one() {
    let (acme, bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    pair(&acme, &bright);
    let ids: Vec<String> =
        (0..40).map(|n| acme.id_of(&format!("event create title=Event-{n}"))).collect();
    let id = &ids[7];
    let shortest = (5..)
        .find(|cut| ids.iter().filter(|other| other.starts_with(&id[..*cut])).count() == 1)
        .unwrap();
    let shown = acme.ok(&format!("event show {}", &id[..shortest]));
    assert_eq!((&shown["id"], &shown["fields"]["title"]), (&json!(id), &"Event-7".into()));
    // 40 ids, 32 letters: at least two begin alike.
    let twins = ids.iter().find(|id| ids.iter().filter(|b| b[..5] == id[..5]).count() > 1).unwrap();
    assert_eq!(acme.call(&format!("event show {}", &twins[..5])).refused(1).0, "ambiguous");
    assert_eq!(acme.call("event show evt_").refused(1).0, "ambiguous");
    let share = acme.id_of(&format!("share open launch --event {}", &id[..14]));
    for name in ["launch", &share, &share[..12]] {
        assert_eq!(acme.ok(&format!("share show {name}"))["id"], *share);
    }
    let org = &bright.id[..12];
    for name in ["bright-agency", &bright.id, org] {
        assert_eq!(acme.ok(&format!("partner show {name}"))["org"], *bright.id);
    }
    // Two shares of one name are told apart by their ids.
    let other = acme.id_of("share open launch");
    assert_eq!(acme.call("share show launch").refused(1).0, "ambiguous");
    assert_eq!(acme.ok(&format!("share show {other}"))["id"], *other);
    let granted =
        acme.ok(&format!("--yes share grant {} {org} --kind event --fields title", &share[..20]));
    assert!(granted["grant"].as_str().unwrap().starts_with("grt_"));
    bright.until("event list", PATIENCE, |list| len(list) == 1);
}

#[test]
fn an_import_names_the_line_and_the_column_of_what_it_could_not_take() {
    let acme = Org::running("Acme Motors");
    let file = acme.file(
        "mixed.csv",
        "external_id,name,emails,phones,lifecycle,Favourite colour\n\
         crm:1,王芳,wang@example.com,+86 138 0013 8000,pigeon,blue\n\
         crm:2,\"Lopez,\nAna\",ana@example.com,,lead,\n\
         crm:3,,,,lead,red\n\
         crm:4,Bob,nowhere,12,,\n",
    );
    let dry = acme.ok(&format!("customer import {file} --dry-run"));
    assert_eq!((&dry["created"], &dry["import"]), (&3.into(), &Json::Null));
    assert_eq!(acme.ok("customer list"), json!([]));
    let done = acme.ok(&format!("customer import {file} --consent form:fair"));
    assert_eq!(
        (&done["created"], &done["updated"], &done["unchanged"]),
        (&3.into(), &0.into(), &0.into())
    );
    assert_eq!((len(&done["rejected"]), &done["rejected"][0]["line"]), (1, &5.into()));
    assert!(done["rejected"][0]["why"].is_string(), "{done:#}");
    let warned: Vec<(u64, &str)> = done["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["line"].as_u64().unwrap(), one["column"].as_str().unwrap()))
        .collect();
    assert!(warned.contains(&(2, "lifecycle")) && warned.contains(&(6, "emails")), "{done:#}");
    let wang = acme.ok("customer list --where name=王芳");
    let fields = &wang[0]["fields"];
    assert_eq!(fields["phones"], json!(["+8613800138000"]));
    assert_eq!(fields.get("lifecycle"), None);
    let kept = fields.as_object().unwrap();
    assert!(
        kept.iter().any(|(name, value)| name.starts_with("x_") && value == "pigeon"),
        "{kept:?}"
    );
    assert!(kept.iter().any(|(name, value)| name.starts_with("x_") && value == "blue"), "{kept:?}");
    assert_eq!(fields["consent"][0]["evidence"], "fair", "{fields:#}");
    let again = acme.ok(&format!("customer import {file} --consent form:fair"));
    assert_eq!((&again["created"], &again["unchanged"]), (&0.into(), &3.into()), "{again:#}");
    assert_eq!(len(&acme.ok("customer list")), 3);
}
