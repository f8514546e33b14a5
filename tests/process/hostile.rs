//! A hostile client on the real network against a real node: each attack is refused with a code in
//! the log, in bounded memory and time, and an honest partner stays served.

use std::fs;
use std::time::{Duration, Instant};

use entente_protocol::identity::OrgKeys;
use entente_protocol::message::{Approach, Blob, Frame};
use entente_protocol::sign::SigningKey;
use entente_protocol::statement::{Party, Statement};
use entente_protocol::time::Hlc;

use super::cast::sharing;
use super::node::{Org, PATIENCE, len, pair, until};

mod client;
mod flood;
mod slow;
mod stranger;
mod thief;

/// Longer than a node lets a stranger wait at its gate.
const GATE_MAX: Duration = Duration::from_secs(15);
/// How long an honest edit may take while somebody attacks the node.
const SERVED_MAX: Duration = Duration::from_secs(5);
/// By how much an attack may let a node's memory grow.
const GROWTH_MAX_KIB: u64 = 48 * 1024;

/// An org nobody knows, with a good certificate.
fn stranger() -> (SigningKey, Blob, Party) {
    let key = |n| SigningKey::from_bytes(&[n; 32]);
    let keys = OrgKeys { root: key(201), successor: key(202) };
    let (party, node) = (keys.party("Stranger"), key(203));
    let certificate = keys.certify(&party, node.public(), Some(1), Hlc(1), u64::MAX >> 20);
    (node, Blob(certificate.bytes().to_vec()), party)
}

fn gate(certificate: Blob, approach: Approach) -> Frame {
    Frame::Gate { certificate, rotations: Vec::new(), approach }
}

/// The key and certificate of a company, stolen or its own.
fn keys_of(org: &Org) -> (SigningKey, Blob) {
    let read = |name: &str| fs::read(org.data().join(name)).unwrap();
    let seed: [u8; 32] = read("node.key").try_into().expect("a seed");
    let certificate = fs::read_dir(org.data())
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap_or_default())
        .find(|bytes| Statement::open(bytes).is_ok());
    (SigningKey::from_bytes(&seed), Blob(certificate.expect("a certificate")))
}

/// Another company that the first has paired with and granted nothing; its keys are the test's.
fn mallory(acme: &Org) -> (SigningKey, Blob) {
    let mut mallory = Org::running("Mallory");
    pair(acme, &mallory);
    mallory.kill();
    keys_of(&mallory)
}

/// How long an edit takes to be seen at the partner.
fn served(acme: &Org, bright: &Org, event: &str, title: &str) -> Duration {
    acme.ok(&format!("event set {event} title={title}"));
    let began = Instant::now();
    bright.until("event list", PATIENCE, |list| list[0]["fields"]["title"] == title);
    began.elapsed()
}

/// What a node's process holds in memory, in KiB.
fn memory_kib(org: &Org) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", org.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// How often a node has logged a code.
fn logged(org: &Org, code: &str) -> usize {
    org.log().matches(&format!("\"{code}\"")).count()
}

fn until_logged(org: &Org, code: &str) {
    until(code, PATIENCE, || (logged(org, code) > 0).then_some(()));
}
