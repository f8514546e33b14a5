//! A company of the demo: a data directory, a real node process on it, and the way to its API.
//! Whatever happens, a process that was started here is stopped here.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::{Duration, Instant};

use entente_node::api::node::Ready;
use entente_node::directory::Directory;
use entente_node::start;

use super::error::DemoError;
use super::waiting::Waiting;
use crate::client::Client;
use crate::error::CliError;

const START_MAX: Duration = Duration::from_secs(20);
const STOP_MAX: Duration = Duration::from_secs(5);
const STOP_POLL: Duration = Duration::from_millis(10);
const LISTEN: &str = "/ip4/127.0.0.1/tcp/0";
const HTTP: &str = "127.0.0.1:0";

/// A company with its node.
#[derive(Debug)]
pub struct Company {
    /// What it calls itself.
    pub name: &'static str,
    /// What the others call it on the command line.
    pub alias: &'static str,
    /// Its id.
    pub org: String,
    directory: Directory,
    log: PathBuf,
    client: Client,
    process: Process,
    ready: Ready,
}

impl Company {
    /// Makes a company in `place` and starts its node; also how long the start took.
    pub fn found(
        name: &'static str,
        alias: &'static str,
        place: &Path,
        waiting: &Waiting,
    ) -> Result<(Self, Duration), CliError> {
        let short = alias.split('-').next().unwrap_or(alias);
        let directory = Directory::at(place.join(short));
        let log = place.join(format!("{short}.log"));
        let made = start::init(&directory, name)?;
        let begin = Instant::now();
        let (process, ready) = run(name, &directory, &log, LISTEN, HTTP, waiting)?;
        let took = begin.elapsed();
        let client = Client::open(&directory)?;
        Ok((Self { name, alias, org: made.org, directory, log, client, process, ready }, took))
    }

    /// The way to its node.
    pub fn api(&self) -> &Client {
        &self.client
    }

    /// Its data directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What its node logs.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its node's process.
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// Tells its node to stop; it will have put everything in order.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Asks its node to stop, and does not wait for that.
    pub fn ask_to_stop(&mut self) {
        self.process.ask_to_stop();
    }

    /// Ends its node as a power cut would (`SIGKILL`).
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts its node again, where it was before if nobody has taken that place meanwhile.
    pub fn start(&mut self, waiting: &Waiting) -> Result<Duration, CliError> {
        let begin = Instant::now();
        let listen = self.ready.listen.first().map_or(LISTEN, String::as_str);
        let listen = listen.split("/p2p/").next().unwrap_or(LISTEN);
        let http = self.ready.http.trim_start_matches("http://");
        let (name, directory, log) = (self.name, &self.directory, &self.log);
        let again = match run(name, directory, log, listen, http, waiting) {
            Err(CliError::Demo(DemoError::NotStarted { .. })) => {
                run(name, directory, log, LISTEN, HTTP, waiting)?
            }
            again => again?,
        };
        (self.process, self.ready) = again;
        self.client = Client::open(&self.directory)?;
        Ok(begin.elapsed())
    }
}

/// A node's process. Ends with this value.
#[derive(Debug)]
struct Process {
    child: Child,
}

impl Process {
    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn ask_to_stop(&mut self) {
        if self.has_ended() {
            return;
        }
        #[cfg(unix)]
        {
            use rustix::process::{Pid, Signal, kill_process};
            // It may have ended this very moment, which is what is wanted.
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        }
        #[cfg(not(unix))]
        self.kill();
    }

    fn stop(&mut self) {
        self.ask_to_stop();
        let deadline = Instant::now() + STOP_MAX;
        while !self.has_ended() {
            if Instant::now() > deadline {
                return self.kill();
            }
            std::thread::sleep(STOP_POLL);
        }
    }

    fn kill(&mut self) {
        // Fails where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts this very program as a node, and waits for the line that says it is ready.
fn run(
    name: &'static str,
    directory: &Directory,
    log: &Path,
    listen: &str,
    http: &str,
    waiting: &Waiting,
) -> Result<(Process, Ready), CliError> {
    let program = std::env::current_exe().map_err(DemoError::System)?;
    let to_log = File::options().create(true).append(true).open(log).map_err(DemoError::System)?;
    let child = Command::new(program)
        .arg("--data")
        .arg(directory.path())
        .args(["run", "--listen", listen, "--http", http])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(to_log)
        .spawn()
        .map_err(DemoError::System)?;
    let mut process = Process { child };
    let line = first_line(process.child.stdout.take());
    let what = format!("the start of {name}'s node");
    let (ready, _) = waiting.until(&what, START_MAX, || match line.try_recv() {
        Ok(line) => Ok(Some(serde_json::from_str(&line).ok())),
        Err(TryRecvError::Empty) => Ok(None),
        Err(TryRecvError::Disconnected) => Ok(Some(None)),
    })?;
    match ready {
        Some(ready) => Ok((process, ready)),
        None => Err(DemoError::NotStarted { name, log: last_line(log) }.into()),
    }
}

/// The first line, once it is there.
fn first_line(stdout: Option<ChildStdout>) -> Receiver<String> {
    let (send, line) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.map(|stdout| BufReader::new(stdout).read_line(&mut text));
        if let Some(Ok(1..)) = read {
            // Nobody waits any more where this fails.
            let _ = send.send(text);
        }
    });
    line
}

fn last_line(log: &Path) -> String {
    let mut text = String::new();
    let read = File::open(log).and_then(|mut file| file.read_to_string(&mut text));
    match read {
        Ok(_) => text.lines().last().unwrap_or("it is empty").to_owned(),
        Err(error) => error.to_string(),
    }
}
