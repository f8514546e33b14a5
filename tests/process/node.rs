//! A company with its node's process. Every process ends with the value that owns it, and so does
//! every directory. Knows nothing of what the words of a command line mean.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::call::{Call, Said, run, words};

/// Long enough for anything on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// The end of a log that a failed test shows.
const LOG_TAIL_CHARS: usize = 4_000;

/// Polls until there is something; panics with `what` when there is nothing for too long.
pub fn until<T>(what: &str, max: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + max;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {max:?}: {what}");
        thread::park_timeout(POLL);
    }
}

/// A directory that is gone with the value.
#[derive(Debug)]
pub struct Place(pub PathBuf);

impl Place {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("entente-{}-{count}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file into it.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A company: its data directory, and its node while that runs.
#[derive(Debug)]
pub struct Org {
    pub name: String,
    pub id: String,
    place: Place,
    node: Option<Child>,
    runs: usize,
}

impl Org {
    /// A company whose node does not run yet.
    pub fn new(name: &str) -> Self {
        let alias = name.to_lowercase().replace(' ', "-");
        let place = Place::new(&alias);
        let mut org = Self { name: name.to_owned(), id: String::new(), place, node: None, runs: 0 };
        org.id = org.ok(&format!("init --name '{name}'"))["org"].as_str().unwrap().to_owned();
        org
    }

    /// A directory in which nothing was made yet: for another machine of a company.
    pub fn bare(name: &str) -> Self {
        let place = Place::new(&name.to_lowercase().replace(' ', "-"));
        Self { name: name.to_owned(), id: String::new(), place, node: None, runs: 0 }
    }

    /// A company whose node runs.
    pub fn running(name: &str) -> Self {
        let mut org = Self::new(name);
        org.start();
        org
    }

    pub fn data(&self) -> PathBuf {
        self.place.0.join("data")
    }

    /// Everything of this company that lies on disk: its data directory and what its node logged.
    pub fn files(&self) -> &Path {
        &self.place.0
    }

    /// How its partners name it.
    pub fn alias(&self) -> String {
        self.name.to_lowercase().replace(' ', "-")
    }

    /// A file for its command line.
    pub fn file(&self, name: &str, content: &str) -> String {
        self.place.file(name, content)
    }

    /// Starts the node and waits until it is ready.
    pub fn start(&mut self) {
        self.begin();
        self.ready_within(PATIENCE);
    }

    /// Waits until the node that was begun is ready.
    pub fn ready_within(&mut self, max: Duration) {
        let ready = until("the node says that it is ready", max, || {
            let line = fs::read_to_string(self.said()).unwrap();
            if let Some(exit) = self.ended() {
                panic!("the node has ended: {exit}\n{}", self.log());
            }
            line.ends_with('\n').then_some(line)
        });
        let ready: Json = serde_json::from_str(&ready).expect("one line of JSON");
        assert_eq!((&ready["ready"], &ready["org"]), (&true.into(), &Json::from(&*self.id)));
    }

    /// Starts the node's process, ready or not.
    pub fn begin(&mut self) {
        assert!(self.node.is_none());
        self.runs += 1;
        let file = |path: PathBuf| Stdio::from(File::create(path).unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_entente"))
            .arg("--data")
            .arg(self.data())
            .args(["run", "--listen", "/ip4/127.0.0.1/tcp/0", "--http", "127.0.0.1:0"])
            .env_remove("ENTENTE_DATA")
            .env("RUST_LOG", "info,entente=trace,entente_node=trace,entente_protocol=trace")
            .stdin(Stdio::null())
            .stdout(file(self.said()))
            .stderr(file(self.log_file()))
            .spawn();
        self.node = Some(child.expect("the binary starts"));
    }

    fn said(&self) -> PathBuf {
        self.place.0.join(format!("run-{}.out", self.runs))
    }

    fn log_file(&self) -> PathBuf {
        self.place.0.join(format!("run-{}.log", self.runs))
    }

    /// What the node that runs, or ran last, logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    /// The address where partners reach the node, with its key.
    pub fn address(&self) -> String {
        let ready: Json = serde_json::from_str(&fs::read_to_string(self.said()).unwrap()).unwrap();
        ready["listen"][0].as_str().unwrap().to_owned()
    }

    /// The port where partners reach the node.
    pub fn port(&self) -> u16 {
        let ready: Json = serde_json::from_str(&fs::read_to_string(self.said()).unwrap()).unwrap();
        let address = ready["listen"][0].as_str().unwrap();
        address.split('/').nth(4).unwrap().parse().unwrap()
    }

    /// How the node's process ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.node.as_mut().and_then(|node| node.try_wait().unwrap())
    }

    /// The node's process.
    pub fn pid(&self) -> u32 {
        self.node.as_ref().expect("the node runs").id()
    }

    /// Kills the node with SIGKILL.
    pub fn kill(&mut self) {
        let mut node = self.node.take().expect("the node runs");
        node.kill().unwrap();
        node.wait().unwrap();
    }

    /// Sends the node a signal.
    pub fn signal(&self, signal: &str) {
        let order = format!("kill -s {signal} {}", self.pid());
        assert!(Command::new("sh").args(["-c", &order]).status().unwrap().success());
    }

    /// Waits until the node's process has ended by itself; its exit code.
    pub fn wait(&mut self, max: Duration) -> i32 {
        let exit = until("the node ends", max, || self.ended());
        self.node = None;
        exit.code().unwrap_or(-1)
    }

    /// Calls the command line for this company, with `--json`.
    pub fn call(&self, line: &str) -> Said {
        self.call_with(line, Stdio::null())
    }

    /// The same, with something on standard input.
    pub fn call_with(&self, line: &str, stdin: Stdio) -> Said {
        run(&self.with_data(&format!("--json {line}")), stdin)
    }

    /// Calls the command line for people.
    pub fn table(&self, line: &str) -> Said {
        run(&self.with_data(line), Stdio::null())
    }

    /// Begins a call that goes on while the test does something else.
    pub fn begin_call(&self, line: &str) -> Call {
        Call::new(&self.with_data(&format!("--json {line}")), Stdio::null())
    }

    fn with_data(&self, line: &str) -> Vec<String> {
        let mut all = vec!["--data".into(), self.data().to_str().unwrap().into()];
        all.extend(words(line));
        all
    }

    /// Calls the command line; what it answers when all is well.
    pub fn ok(&self, line: &str) -> Json {
        self.call(line).ok()
    }

    /// Makes or opens something; its id.
    pub fn id_of(&self, line: &str) -> String {
        self.ok(line)["id"].as_str().expect("an id").to_owned()
    }

    /// Waits until everything owed is acknowledged.
    pub fn settle(&self) {
        self.ok("wait synced --timeout 60s");
    }

    /// Calls the command line until what it answers fits.
    pub fn until(&self, line: &str, max: Duration, fits: impl Fn(&Json) -> bool) -> Json {
        let mut last = Json::Null;
        let deadline = Instant::now() + max;
        until(&format!("{}: {line}", self.name), max, || {
            last = self.ok(line);
            if fits(&last) {
                return Some(last.clone());
            }
            assert!(Instant::now() < deadline, "{}: {line} still says {last:#}", self.name);
            None
        })
    }
}

impl Drop for Org {
    fn drop(&mut self) {
        if let Some(mut node) = self.node.take() {
            let _ = node.kill();
            let _ = node.wait();
        }
        if thread::panicking() {
            let log = self.log();
            let tail = log.char_indices().rev().nth(LOG_TAIL_CHARS).map_or(0, |(at, _)| at);
            eprintln!("--- {} ---\n{}", self.name, &log[tail..]);
        }
    }
}

/// Pairs two companies: the first invites.
pub fn pair(inviter: &Org, newcomer: &Org) {
    let invite = inviter.ok("partner invite")["invite"].as_str().unwrap().to_owned();
    let accepted = newcomer.ok(&format!("partner accept {invite}"));
    assert_eq!(accepted["partner"]["org"], *inviter.id);
    let known = inviter.ok(&format!("partner show {}", newcomer.alias()));
    assert_eq!(known["code"], accepted["code"]);
    for (org, other) in [(inviter, newcomer), (newcomer, inviter)] {
        org.ok(&format!("partner confirm {}", other.alias()));
    }
}

/// The strings in a list.
pub fn texts(json: &Json) -> Vec<&str> {
    json.as_array().expect("a list").iter().map(|one| one.as_str().expect("a text")).collect()
}

/// How many things there are in a list.
pub fn len(json: &Json) -> usize {
    json.as_array().expect("a list").len()
}
