//! One headless Chromium per look at a page, each with a profile of its own that goes with it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const DEADLINE: Duration = Duration::from_secs(60);

/// A browser on this machine.
#[derive(Debug)]
pub struct Browser {
    program: PathBuf,
}

/// With whose eyes a page is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// What the browser asks for.
    pub language: &'static str,
    /// The width of its window, in px.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// Whether the reader prefers a dark page.
    pub dark: bool,
}

impl Look {
    /// A desk, daylight, English.
    pub const ENGLISH: Look = Look { language: "en", width: 1240, height: 1500, dark: false };
}

/// What a browser made of a page.
#[derive(Debug)]
pub struct Page {
    /// The document as it stands in the browser.
    pub dom: String,
    /// What the browser complained about, such as something that the policy forbids.
    pub complaints: Vec<String>,
}

impl Page {
    /// Everything of it stands on the page.
    pub fn says(&self, texts: &[&str]) {
        for text in texts {
            assert!(self.dom.contains(text), "`{text}` is not on the page:\n{}", self.dom);
        }
    }

    /// Nothing of it stands anywhere in the page.
    pub fn hides(&self, texts: &[&str]) {
        for text in texts {
            assert!(!self.dom.contains(text), "`{text}` is on the page:\n{}", self.dom);
        }
    }
}

impl Browser {
    /// The browser of this machine; none where the test is to be skipped.
    pub fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut all = std::env::split_paths(&path)
            .flat_map(|place| NAMES.map(|name| place.join(name)))
            .filter(|program| program.is_file());
        let found = all.next().map(|program| Self { program });
        if found.is_none() {
            let required = std::env::var_os("ENTENTE_REQUIRE_BROWSER").is_some_and(|v| v == "1");
            assert!(!required, "no Chromium on this machine");
            eprintln!("skipped: no Chromium on this machine");
        }
        found
    }

    /// Opens a page.
    pub fn open(&self, url: &str, look: Look) -> Page {
        let (dom, log) = self.run(url, look, "--dump-dom");
        let is_complaint = |line: &&str| line.contains("CONSOLE") || line.contains("Refused to");
        let complaints = log.lines().filter(is_complaint).map(str::to_owned).collect();
        Page { dom, complaints }
    }

    /// Leaves a picture of a page.
    pub fn shoot(&self, url: &str, look: Look, file: &Path) {
        self.run(url, look, &format!("--screenshot={}", file.display()));
        assert!(file.is_file(), "no picture at {}", file.display());
    }

    fn run(&self, url: &str, look: Look, task: &str) -> (String, String) {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("entente-browser-{}-{number}", std::process::id());
        let profile = std::env::temp_dir().join(name);
        fs::create_dir_all(&profile).expect("a profile");
        let (out, log) = (profile.join("out"), profile.join("log"));
        let mut command = Command::new(&self.program);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--enable-logging=stderr",
        ]);
        command.arg(format!("--user-data-dir={}", profile.display()));
        command.arg(format!("--accept-lang={}", look.language));
        command.arg(format!("--window-size={},{}", look.width, look.height));
        let scheme = if look.dark { 0 } else { 1 };
        command.arg(format!("--blink-settings=preferredColorScheme={scheme}"));
        command.args([task, url]).stdin(Stdio::null());
        command.stdout(File::create(&out).expect("a file")).env("TZ", "UTC");
        command.stderr(File::create(&log).expect("a file"));
        let mut child = command.spawn().expect("the browser starts");
        let begun = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if begun.elapsed() > DEADLINE {
                child.kill().expect("a child");
                panic!(
                    "the browser does not end: {}",
                    fs::read_to_string(&log).unwrap_or_default()
                );
            }
            thread::sleep(Duration::from_millis(20));
        }
        let read = |file: &Path| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
        let texts = (read(&out), read(&log));
        let _ = fs::remove_dir_all(&profile);
        texts
    }
}
