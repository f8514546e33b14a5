//! Three companies with a node each, in this process, and the story they play over the HTTP API.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use entente_node::config::{Config, Flags};
use entente_node::directory::Directory;
use entente_node::start::{self, Node};
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

pub const EVENT_TITLE: &str = "Aurora E9 launch — Shanghai";
pub const NOTES: &str = "Ceiling agreed with the board: 720000 CNY.";
pub const BUDGET: &str = "680000.00 CNY";

const SHARE: &str = "Aurora E9 launch";
const CUSTOMERS: &str = include_str!("../../cli/src/demo/customers.csv");
const DEADLINE: Duration = Duration::from_secs(60);

/// A company and its node.
pub struct Company {
    http: String,
    token: String,
}

/// The story, played.
pub struct World {
    pub aurora: Company,
    pub bright: Company,
    pub cedar: Company,
    pub customer_name: String,
    pub customer_phone: String,
    pub customer_company: String,
    nodes: Vec<Node>,
    runtime: Runtime,
    path: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        for node in self.nodes.drain(..) {
            let _ = self.runtime.block_on(node.shutdown());
        }
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

impl Company {
    /// The address of a page.
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.http)
    }

    /// The link to a page, as `entente open` prints it.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}?token={}", self.http, self.token)
    }

    fn call(&self, method: &str, path: &str, body: Option<&Json>) -> Json {
        let agent: ureq::Agent =
            ureq::config::Config::builder().http_status_as_error(false).build().into();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}/api/v1{path}", self.http))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Content-Type", "application/json");
        let body = body.map(ToString::to_string).unwrap_or_default();
        let request = request.body(body).expect("a request");
        let mut response = agent.run(request).expect("the node answers");
        let answer: Json = response.body_mut().read_json().expect("JSON");
        assert!(response.status().is_success(), "{method} {path}: {answer}");
        answer
    }

    fn get(&self, path: &str) -> Json {
        self.call("GET", path, None)
    }

    fn post(&self, path: &str, body: &Json) -> Json {
        self.call("POST", path, Some(body))
    }

    fn pair(&self, other: &Company) {
        let invite = self.post("/partners/invite", &json!({}));
        other.post("/partners/accept", &invite);
    }

    fn event(&self) -> Option<String> {
        let events = self.get("/events");
        let fits = |event: &&Json| event["fields"]["title"] == EVENT_TITLE;
        events.as_array()?.iter().find(fits).map(|event| text(&event["id"]))
    }

    fn roster(&self) -> Vec<Json> {
        let rows = self.event().map(|event| self.get(&format!("/events/{event}/roster")));
        rows.and_then(|rows| rows.as_array().cloned()).unwrap_or_default()
    }
}

fn text(json: &Json) -> String {
    json.as_str().expect("text").to_owned()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Waits until something holds; what it is stands in the message.
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

impl World {
    /// Plays the story to its end.
    pub fn play() -> Self {
        let path = std::env::temp_dir().join(format!("entente-pages-{}", std::process::id()));
        let runtime = Runtime::new().expect("a runtime");
        let mut nodes = Vec::new();
        let mut company = |name: &str, place: &str| {
            let directory = Directory::at(path.join(place));
            start::init(&directory, name).expect("a data directory");
            let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
            let flags = Flags { listen, http: Some("127.0.0.1:0".to_owned()), ..Flags::default() };
            let config = Config::read(directory.path(), &flags, &|_| None).expect("settings");
            let token = directory.token_or_new().expect("a token");
            let node = runtime.block_on(Node::start(directory, &config)).expect("a node");
            let http = node.ready().http.clone();
            nodes.push(node);
            Company { http, token }
        };
        let aurora = company("Aurora Motors", "a");
        let bright = company("Bright Agency", "b");
        let cedar = company("Cedar Consulting", "c");
        aurora.pair(&bright);
        bright.pair(&cedar);
        let mut world = Self {
            aurora,
            bright,
            cedar,
            customer_name: String::new(),
            customer_phone: String::new(),
            customer_company: String::new(),
            nodes,
            runtime,
            path,
        };
        world.open_the_share();
        world.pass_it_on();
        world.contribute();
        world.welcome();
        world
    }

    /// The page of the event at a company.
    pub fn event_of(&self, company: &Company) -> String {
        format!("/events/{}", company.event().expect("the event"))
    }

    /// Cedar forgets the customer that everybody saw; the others confirm it.
    pub fn forget(&self) {
        let query = format!("/customers?where=name%3D{}", encoded(&self.customer_name));
        let id = text(&self.cedar.get(&query)[0]["id"]);
        self.cedar.post(&format!("/customers/{id}/erase"), &json!({}));
        until("both have confirmed", || {
            let asked = self.cedar.get(&format!("/customers/{id}/erasures"));
            let asked = asked.as_array().expect("a list");
            asked.len() == 2 && asked.iter().all(|one| one["state"] == "confirmed")
        });
    }

    /// Bright passes something more on, and Aurora is to be asked first.
    pub fn ask(&self) {
        let share = text(&self.aurora.get("/shares")[0]["id"]);
        let path = format!("/shares/{share}/config");
        self.aurora.call("PUT", &path, Some(&json!({"reshare": "ask"})));
        let order = json!({"partner": "Cedar Consulting", "kind": "event",
            "section": "Aurora Motors", "fields": ["venue"]});
        self.grant(&self.bright, order);
        until("Aurora is asked", || self.aurora.get("/inbox") != json!([]));
    }

    fn open_the_share(&self) {
        let a = &self.aurora;
        let event = a.post("/events", &json!({"text": {
            "title": EVENT_TITLE,
            "summary": "First public showing of the Aurora E9, with test drives along the river and dinner with the design team.\n极光E9首次公开亮相，设有滨江试驾与设计团队晚宴。",
            "kind": "launch", "status": "planned",
            "starts_at": "2027-03-18T10:00:00+08:00", "ends_at": "2027-03-18T21:30:00+08:00",
            "timezone": "Asia/Shanghai", "venue": "Riverside Hall 滨江馆",
            "address": "上海市滨江示例路 88 号", "region": "上海",
            "registration_url": "https://aurora.example/e9/register", "language": "zh-CN",
            "capacity": "120",
            "audience_brief": "People who decide on company cars or buy in the upper class for themselves, and who have shown interest in electric driving within the last year. Shanghai and the neighbouring provinces first.",
            "target_tags": "ev;fleet;luxury", "tags": "aurora-e9;2027",
            "budget": BUDGET, "notes": format!("{NOTES} Keep the price out of every briefing.")}}));
        for other in [
            json!({"title": "Dealer evening", "status": "open", "kind": "meal",
                "starts_at": "2027-01-21T18:30:00+01:00", "timezone": "Europe/Berlin",
                "venue": "Alte Gießerei, Hamburg"}),
            json!({"title": "极光车主线上答疑", "kind": "webinar", "status": "done",
                "starts_at": "2026-09-03T19:00:00+08:00", "ends_at": "2026-09-03T20:30:00+08:00",
                "timezone": "Asia/Shanghai"}),
            json!({"title": "Fleet round table", "status": "draft"}),
        ] {
            a.post("/events", &json!({ "text": other }));
        }
        a.post("/shares", &json!({"name": SHARE, "event": event["id"]}));
        self.grant(
            a,
            json!({"partner": "Bright Agency", "kind": "event", "depth": 1, "fields":
            ["title", "summary", "kind", "status", "starts_at", "ends_at", "timezone", "venue",
             "language", "online_url", "audience_brief", "target_tags"]}),
        );
        self.grant(
            a,
            json!({"partner": "Bright Agency",
            "contribute": ["customer", "participation"], "depth": 1}),
        );
        until("Bright has the event", || self.bright.event().is_some());
    }

    fn grant(&self, by: &Company, order: Json) {
        let share = by.get("/shares")[0]["id"].clone();
        by.post(&format!("/shares/{}/grants", text(&share)), &order);
    }

    fn pass_it_on(&self) {
        let b = &self.bright;
        self.grant(
            b,
            json!({"partner": "Cedar Consulting", "kind": "event",
            "section": "Aurora Motors", "fields":
            ["title", "kind", "starts_at", "ends_at", "timezone", "audience_brief"]}),
        );
        self.grant(
            b,
            json!({"partner": "Cedar Consulting",
            "contribute": ["customer", "participation"]}),
        );
        until("Cedar has the event", || self.cedar.event().is_some());
    }

    fn contribute(&mut self) {
        let participation =
            json!(["event", "customer", "staff_name", "role", "status", "fit_reason"]);
        let grant = |by: &Company, to: &str, order: Json| {
            let mut order = order;
            order["partner"] = json!(to);
            self.grant(by, order);
        };
        let b = &self.bright;
        let staff = ["Nora Lindgren", "顾思齐", "叶知秋", "Tom Adeyemi", "陆嘉禾", "Marta Kowal"];
        let event = b.event().expect("the event");
        let add = format!("/events/{event}/participations");
        b.post(&add, &json!({"staff": staff, "status": "confirmed"}));
        b.post(&add, &json!({"staff": ["程一诺", "Ben Hartley"], "role": "host"}));
        for to in ["Aurora Motors", "Cedar Consulting"] {
            grant(b, to, json!({"kind": "participation", "fields": participation}));
        }

        let c = &self.cedar;
        let rows: Vec<&str> = CUSTOMERS.lines().take(81).collect();
        let (heading, rows) = rows.split_first().expect("a heading");
        let fitting = rows.iter().filter(|row| row.contains("+86")).take(40).copied();
        let file: Vec<&str> = [*heading].into_iter().chain(fitting).collect();
        let agent = ureq::Agent::new_with_defaults();
        let url = format!(
            "{}/api/v1/customers/import?consent=consent:form-2026&consent_purpose={}",
            c.http,
            SHARE.replace(' ', "%20")
        );
        agent
            .post(&url)
            .header("Authorization", format!("Bearer {}", c.token))
            .send(file.join("\n") + "\n")
            .expect("an import");
        let customers = c.get("/customers?limit=40");
        let customers = customers.as_array().expect("customers");
        assert_eq!(customers.len(), 40);
        let ids: Vec<&Json> = customers.iter().map(|customer| &customer["id"]).collect();
        let event = c.event().expect("the event");
        let added = c.post(&format!("/events/{event}/participations"), &json!({"customers": ids}));
        assert_eq!(added["held_back"], json!([]));
        let to_aurora = json!({"kind": "customer",
            "fields": ["type", "name", "org_name", "title", "phones", "region"]});
        grant(c, "Aurora Motors", to_aurora);
        grant(c, "Bright Agency", json!({"kind": "customer", "fields": ["type", "org_name"]}));
        grant(c, "Bright Agency", json!({"kind": "participation", "fields": participation}));
        let edits = json!({"kind": "participation", "can": "edit", "fields": ["status"]});
        grant(c, "Aurora Motors", edits);
        let rest = json!(["event", "customer", "staff_name", "role", "fit_reason"]);
        grant(c, "Aurora Motors", json!({"kind": "participation", "fields": rest}));

        // Of a company, Bright may see what it is called.
        let person = |customer: &&Json| customer["fields"]["type"] == "person";
        let someone = &customers.iter().find(person).expect("a person")["fields"];
        self.customer_name = text(&someone["name"]);
        self.customer_phone = text(&someone["phones"][0]);
        self.customer_company = text(&someone["org_name"]);
        until("Aurora knows the phones", || {
            let known = |row: &&Json| row["customer"]["fields"]["phones"].is_array();
            self.aurora.roster().iter().filter(known).count() == 40
        });
        until("Bright knows the companies", || {
            let known = |row: &&Json| row["customer"]["fields"]["org_name"].is_string();
            self.bright.roster().iter().filter(known).count() == 40
        });
    }

    /// Aurora notes what became of some invitations, and Cedar comes to know it.
    fn welcome(&self) {
        until("Aurora has the staff", || self.aurora.roster().len() == 48);
        let rows = self.aurora.roster();
        let invited = rows.iter().filter(|row| row["contributed_by"]["name"] == "Cedar Consulting");
        let statuses =
            ["attended", "attended", "registered", "registered", "confirmed", "declined"];
        for (row, status) in invited.zip(statuses.iter().cycle()).take(24) {
            let path = format!("/participations/{}", text(&row["participation"]));
            self.aurora.call("PATCH", &path, Some(&json!({"fields": {"status": status}})));
        }
        until("Cedar sees who attended", || {
            self.cedar.roster().iter().any(|row| row["status"] == "attended")
        });
        until("Bright sees who attended", || {
            self.bright.roster().iter().any(|row| row["status"] == "attended")
        });
    }
}
