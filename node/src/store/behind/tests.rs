//! Reading past a batch under way, and what waits for it.

use std::sync::mpsc;
use std::time::Duration;

use super::super::conformance::{SMALL, Scratch, put};
use super::super::{MAX_VALUE_BYTES, open, verify};
use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn its_owner_reads_past_a_batch_under_way_and_nothing_is_said_of_it() {
    let scratch = Scratch::new();
    let store = open(&scratch.0, SMALL).unwrap();
    let reader = store.reader();
    let (mut store, afterwards) = store.behind().unwrap();
    put(&mut store, &[(b"a", Some(b"old")), (b"b", Some(b"old")), (b"c", Some(b"old"))]);
    afterwards.wait().unwrap();
    let (said, heard) = mpsc::channel();
    let later = reader.clone();
    reader
        .shared()
        .read(|_| {
            // As long as somebody reads, no batch becomes durable.
            put(&mut store, &[(b"a", Some(b"new")), (b"b", None), (b"d", Some(b"new"))]);
            afterwards.then(move || said.send(later.scan(b"", b"", 9).unwrap()).unwrap()).unwrap();
            assert_eq!(store.get(b"a").unwrap(), Some(b"new".to_vec()));
            assert_eq!(store.get(b"b").unwrap(), None);
            assert_eq!(store.get(b"c").unwrap(), Some(b"old".to_vec()));
            let keys: Vec<_> =
                store.scan(b"", b"", 2).unwrap().into_iter().map(|(key, _)| key).collect();
            assert_eq!(keys, [b"a", b"c"]);
            assert!(heard.try_recv().is_err());
            Ok(())
        })
        .unwrap();
    let entries = heard.recv_timeout(PATIENCE).unwrap();
    assert_eq!(entries, store.scan(b"", b"", 9).unwrap());
    assert_eq!(entries.len(), 3);
    afterwards.finish().unwrap();
    drop(store);
    assert!(verify(&reader).unwrap().is_sound());
}

#[test]
fn after_a_batch_that_failed_nothing_is_said_and_nothing_written() {
    let scratch = Scratch::new();
    let store = open(&scratch.0, SMALL).unwrap();
    let reader = store.reader();
    let (mut store, afterwards) = store.behind().unwrap();
    let (said, heard) = mpsc::channel::<()>();
    put(&mut store, &[(b"a", Some(&vec![0; MAX_VALUE_BYTES + 1]))]);
    let given = afterwards.then(move || said.send(()).unwrap());
    assert!(heard.recv_timeout(PATIENCE).is_err(), "dropped without a word");
    let mut batch = Batch::default();
    batch.put(*b"b", []);
    let error = given.err().or(store.commit(batch.clone()).err()).unwrap();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(cause, Some(SledError::ValueTooLong(MAX_VALUE_BYTES + 1).to_string()));
    assert!(store.commit(batch).is_err() && afterwards.check().is_err());
    assert!(afterwards.finish().is_err());
    assert_eq!(reader.scan(b"", b"", 9).unwrap(), []);
}

#[test]
fn the_store_can_be_opened_again_when_the_thread_has_ended() {
    let scratch = Scratch::new();
    for round in 0..20u8 {
        let (mut store, afterwards) = open(&scratch.0, SMALL).unwrap().behind().unwrap();
        assert_eq!(store.scan(b"", b"", 99).unwrap().len(), usize::from(round));
        put(&mut store, &[(&[round], Some(b"v"))]);
        drop(store);
        drop(afterwards);
    }
}
