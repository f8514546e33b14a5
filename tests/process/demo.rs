//! The demo as a newcomer runs it: one command, three nodes, the whole story, nothing left behind.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

const MINUTE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

#[test]
fn the_demo_plays_the_whole_story_within_a_minute() {
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("demo");
    // Left by a run that was killed, if any.
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(&scratch).unwrap();
    let (out, err) = (scratch.join("out.json"), scratch.join("err.txt"));
    let temporary = scratch.join("temporary");
    fs::create_dir_all(&temporary).unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_entente"))
        .args(["demo", "--json"])
        .env("TMPDIR", &temporary)
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + MINUTE;
    let status = loop {
        if let Some(status) = demo.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            demo.kill().unwrap();
            panic!("the demo takes more than a minute");
        }
        thread::park_timeout(POLL);
    };
    let told = fs::read_to_string(&out).unwrap();
    let said = fs::read_to_string(&err).unwrap();
    assert!(status.success(), "{status}\n{said}\n{told}");

    let report: Json = serde_json::from_str(&told).unwrap();
    assert_eq!(report["held"], true);
    let steps = report["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 15);
    for step in steps {
        assert_eq!(step["held"], true, "{step}");
    }
    assert_eq!(report["proof"]["leaked"], 0);
    for searched in report["proof"]["searched"].as_array().unwrap() {
        assert!(searched["secrets"].as_u64().unwrap() > 0, "{searched}");
        assert!(searched["own_found"].as_u64().unwrap() > 0, "{searched}");
    }
    let rows: Vec<usize> = report["rosters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|roster| roster["rows"].as_array().unwrap().len())
        .collect();
    // Cedar's own view has the guest whom it held back.
    assert_eq!(rows, [48, 48, 41]);
    let left: Vec<_> = fs::read_dir(&temporary).unwrap().collect();
    assert!(left.is_empty(), "the demo leaves {left:?}");
    fs::remove_dir_all(&scratch).unwrap();
}
