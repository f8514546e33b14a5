//! One call of the command line, and what it said. Knows nothing of what the words mean.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

/// More than any call is told to wait for.
const CALL_MAX: Duration = Duration::from_secs(90);

/// What one call of the command line said.
#[derive(Debug)]
pub struct Said {
    #[allow(dead_code, reason = "a failed test shows it")]
    pub line: String,
    pub out: String,
    pub err: String,
    pub exit: i32,
}

impl Said {
    /// The one document on the data channel.
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|why| panic!("no document ({why}): {self:#?}"))
    }

    /// The document of a call that must have gone well.
    pub fn ok(&self) -> Json {
        assert_eq!(self.exit, 0, "{self:#?}");
        self.json()
    }

    /// Asserts the exit code; the code and message of the error, which must have their shape.
    pub fn refused(&self, exit: i32) -> (String, String) {
        assert_eq!(self.exit, exit, "{self:#?}");
        let json = self.json();
        let error = &json["error"];
        let keys: Vec<&String> = error.as_object().expect("an error").keys().collect();
        assert_eq!(keys, ["code", "hint", "message"], "{self:#?}");
        assert!(error["hint"].is_string() || error["hint"].is_null(), "{self:#?}");
        let text = |key: &str| error[key].as_str().expect("a text").to_owned();
        assert!(self.err.contains("error: "), "{self:#?}");
        (text("code"), text("message"))
    }
}

/// A call of the command line that goes on.
#[derive(Debug)]
pub struct Call {
    line: String,
    child: Child,
    out: mpsc::Receiver<Vec<u8>>,
    err: mpsc::Receiver<Vec<u8>>,
}

impl Call {
    /// Calls the binary with arguments, without a terminal and without our environment.
    pub fn new(words: &[String], stdin: Stdio) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_entente"))
            .args(words)
            .env_remove("ENTENTE_DATA")
            .env_remove("RUST_LOG")
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let out = drained(child.stdout.take().unwrap());
        let err = drained(child.stderr.take().unwrap());
        Self { line: words.join(" "), child, out, err }
    }

    /// Waits for its end.
    pub fn finish(&mut self) -> Said {
        let deadline = Instant::now() + CALL_MAX;
        let [out, err] = [&self.out, &self.err].map(|from| {
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes = from.recv_timeout(left);
            let bytes = bytes.unwrap_or_else(|_| panic!("not over in {CALL_MAX:?}: {}", self.line));
            String::from_utf8(bytes).unwrap()
        });
        let exit = self.child.wait().unwrap().code().unwrap_or(-1);
        Said { line: self.line.clone(), out, err, exit }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Calls the binary and waits for its end.
pub fn run(words: &[String], stdin: Stdio) -> Said {
    Call::new(words, stdin).finish()
}

fn drained(mut from: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (to, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = from.read_to_end(&mut bytes);
        // Nobody waits for it any more when the test has failed.
        let _ = read.map(|_| to.send(bytes));
    });
    receiver
}

/// Words between spaces; what stands between single quotes is one word.
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            '\'' => (quoted, begun) = (!quoted, true),
            ' ' if !quoted && begun => {
                words.push(std::mem::take(&mut word));
                begun = false;
            }
            ' ' if !quoted => {}
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    words.extend(begun.then_some(word));
    words
}
