//! Three companies as in the story: Acme plans an event, Bright is its agency, Cedar a consultancy
//! that Bright brings in. Acme and Cedar are never paired.

use serde_json::Value as Json;

use super::node::{Org, PATIENCE, len, pair, texts};

/// How many customers Cedar contributes.
pub const GUESTS: usize = 40;

/// What must not be found where it was not granted: each token, and who may have it.
#[derive(Debug)]
pub struct Token {
    pub text: String,
    /// Whose record it is of, and who else it was granted to, by the first letter of the name.
    pub holders: &'static str,
}

fn token(text: impl Into<String>, holders: &'static str) -> Token {
    Token { text: text.into(), holders }
}

/// Three companies and their event.
#[derive(Debug)]
pub struct Cast {
    pub acme: Org,
    pub bright: Org,
    pub cedar: Org,
    /// The event at Acme.
    pub event: String,
    /// The event at Bright and Cedar.
    pub received: String,
    pub tokens: Vec<Token>,
}

impl Cast {
    /// Three companies that run, Acme and Bright paired, Bright and Cedar paired; Acme's event
    /// granted to Bright, and by Bright to Cedar.
    pub fn new() -> Self {
        let [acme, bright, cedar] =
            ["Acme Motors", "Bright Agency", "Cedar Consulting"].map(|name| {
                let mut org = Org::new(name);
                org.begin();
                org
            });
        let mut cast = Self {
            acme,
            bright,
            cedar,
            event: String::new(),
            received: String::new(),
            tokens: Vec::new(),
        };
        for org in [&mut cast.acme, &mut cast.bright, &mut cast.cedar] {
            org.ready_within(PATIENCE);
        }
        pair(&cast.acme, &cast.bright);
        pair(&cast.bright, &cast.cedar);
        cast.plan();
        cast
    }

    fn plan(&mut self) {
        self.event = self.acme.id_of(
            "event create title='Spring launch' starts_at=2027-03-01T09:00:00+08:00 \
             venue=venueqzvx audience_brief=briefqzvx notes=notesqzvx region=regionqzvx \
             summary=summaryqzvx tags=tagqzvx x_margin=marginqzvx",
        );
        self.tokens.push(token("venueqzvx", "AB"));
        self.tokens.push(token("briefqzvx", "ABC"));
        for text in ["notesqzvx", "regionqzvx", "summaryqzvx", "tagqzvx", "marginqzvx", "x_margin"]
        {
            self.tokens.push(token(text, "A"));
        }
        let share = self.acme.id_of(&format!("share open launch --event {}", self.event));
        self.acme.ok("--yes share grant launch bright-agency --kind event \
             --fields title,starts_at,venue,audience_brief --depth 1");
        self.acme.ok(
            "--yes share grant launch bright-agency --contribute customer,participation --depth 1",
        );
        let list = self.bright.until("event list", PATIENCE, |list| len(list) == 1);
        assert_eq!(list[0]["share"], *share);
        let offered = self.bright.until("share list", PATIENCE, |list| len(list) == 1);
        assert_eq!((&offered[0]["id"], &offered[0]["state"]), (&share.into(), &"offered".into()));
        let passed = self.bright.ok("--yes share grant launch cedar-consulting --kind event \
             --fields title,starts_at,audience_brief --section 'Acme Motors'");
        assert!(["waiting", "active"].contains(&passed["state"].as_str().unwrap()), "{passed}");
        self.bright
            .ok("--yes share grant launch cedar-consulting --contribute customer,participation");
        let list = self.cedar.until("event list", PATIENCE, |list| {
            len(list) == 1 && list[0]["fields"]["title"] == "Spring launch"
        });
        self.received = list[0]["id"].as_str().unwrap().to_owned();
    }

    /// Cedar's customers and grants: Acme gets name, company, phones, Bright only companies.
    pub fn bring_guests(&mut self) -> Json {
        let mut csv = String::from("name,org_name,phones,emails,title,remark,tags,x_rank\n");
        for n in 0..GUESTS {
            let phone =
                if n % 10 == 9 { String::new() } else { format!("+8613800{:06}", 750_000 + n) };
            csv += &format!(
                "Guest nameqzvx{n},Firm firmqzvx{n},{phone},mailqzvx{n}@example.com,jobqzvx{n},\
                 remarkqzvx{n},guests,rankqzvx{n}\n"
            );
        }
        csv += "Nobody namelessqzvx,Firm keptqzvx,+8613800760000,stayqzvx@example.com,,,kept,\n";
        let file = self.cedar.file("guests.csv", &csv);
        let import = format!("customer import {file} --consent form:evidenceqzvx");
        let imported = self.cedar.ok(&import);
        assert_eq!((&imported["created"], len(&imported["rejected"])), (&41.into(), 0));
        for n in [0, 3, GUESTS - 1] {
            self.tokens.push(token(format!("nameqzvx{n}"), "AC"));
            self.tokens.push(token(format!("firmqzvx{n}"), "ABC"));
            for word in ["mailqzvx", "jobqzvx", "remarkqzvx", "rankqzvx"] {
                self.tokens.push(token(format!("{word}{n}"), "C"));
            }
        }
        self.tokens.push(token("13800750003", "AC"));
        for text in
            ["namelessqzvx", "keptqzvx", "13800760000", "stayqzvx", "evidenceqzvx", "x_rank"]
        {
            self.tokens.push(token(text, "C"));
        }
        self.cedar.ok(
            "--yes share grant launch acme-motors --kind customer --fields name,org_name,phones",
        );
        self.cedar.ok("--yes share grant launch bright-agency --kind customer --fields org_name");
        self.cedar.ok("--yes share grant launch acme-motors --kind participation \
             --fields event,customer,status,role --can edit");
        self.cedar.ok(
            "--yes share grant launch bright-agency --kind participation --fields event,customer",
        );
        let guests = self.cedar.ok("customer list --where tags=guests");
        let ids: Vec<&str> =
            guests.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), GUESTS);
        let add = format!("--yes participation add {} {}", self.received, ids.join(" "));
        let added = self.cedar.ok(&add);
        assert_eq!(len(&added["participations"]), GUESTS);
        added
    }

    /// Waits until Acme and Bright have the roster of all guests.
    pub fn gather(&self) {
        for (org, event) in [(&self.acme, &self.event), (&self.bright, &self.received)] {
            org.until(&format!("event roster {event}"), PATIENCE, |rows| {
                let whole = |row: &Json| row["customer"]["fields"]["org_name"].is_string();
                len(rows) == GUESTS && rows.as_array().unwrap().iter().all(whole)
            });
        }
    }

    pub fn orgs(&self) -> [&Org; 3] {
        [&self.acme, &self.bright, &self.cedar]
    }
}

/// Two companies that share an event: the first's, with its id there.
pub fn sharing() -> (Org, Org, String) {
    let (acme, bright) = (Org::running("Acme Motors"), Org::running("Bright Agency"));
    pair(&acme, &bright);
    let event = launch(&acme, &bright, "title");
    (acme, bright, event)
}

/// An event that the first shows to the second, as soon as it is there; its id at the first.
pub fn launch(acme: &Org, bright: &Org, fields: &str) -> String {
    let event = offer(acme, fields);
    bright.until("event list", PATIENCE, |list| len(list) == 1);
    event
}

/// An event that a company lets Bright see as soon as it can.
pub fn offer(acme: &Org, fields: &str) -> String {
    let event = acme.id_of("event create title=Launch");
    acme.ok(&format!("share open launch --event {event}"));
    acme.ok(&format!("--yes share grant launch bright-agency --kind event --fields {fields}"));
    event
}

/// The names of fields that were granted, with or without a value.
pub fn granted(fields: &Json) -> Vec<&str> {
    fields.as_object().expect("fields").keys().map(String::as_str).collect()
}

/// Whether a field is among those not shared.
pub fn withheld(record: &Json, field: &str) -> bool {
    texts(&record["withheld"]).contains(&field)
}
