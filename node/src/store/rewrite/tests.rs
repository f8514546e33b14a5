//! Erased bytes are gone from the files, and no crash loses anything.

use std::path::PathBuf;
use std::{fs, io};

use entente_protocol::store::{Batch, MemoryStore, Store};

use super::super::conformance::{Rng, SMALL, Scratch, put};
use super::super::{SledStore, open, verify};
use super::*;

fn rewrite_all(store: &SledStore) -> Rewritten {
    loop {
        if let Step::Done(done) = store.rewriter().step().unwrap() {
            return done;
        }
    }
}

/// Whether a token lies in any file of a directory, or of one below it.
fn lies_in_files(directory: &Path, token: &str) -> bool {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return lies_in_files(&path, token);
        }
        let bytes = fs::read(path).unwrap();
        bytes.windows(token.len()).any(|window| window == token.as_bytes())
    })
}

#[test]
fn what_was_removed_is_in_no_file_once_the_store_is_written_anew() {
    let scratch = Scratch::new();
    let mut store = open(&scratch.0, SMALL).unwrap();
    // Short values are not compressed, so that the files can be searched for them.
    for n in 0..200u8 {
        let value = |what| format!("{what}-token-{n:03}").into_bytes();
        put(&mut store, &[(&[1, n], Some(&value("kept"))), (&[2, n], Some(&value("erased")))]);
        put(&mut store, &[(&[3, n], Some(&value("overwritten")))]);
        put(&mut store, &[(&[3, n], Some(b"new"))]);
        put(&mut store, &[(&[2, n], None)]);
    }
    let tokens = |what| (0..200).map(move |n| format!("{what}-token-{n:03}"));
    let found = |what| tokens(what).filter(|token| lies_in_files(&scratch.0, token)).count();
    assert_eq!((found("kept"), found("erased"), found("overwritten")), (200, 200, 200));
    let done = rewrite_all(&store);
    assert_eq!(done.entries, 400);
    assert!(done.bytes_after <= done.bytes_before, "{done:?}");
    assert_eq!((found("kept"), found("erased"), found("overwritten")), (200, 0, 0));
    assert!(verify(&store.reader()).unwrap().is_sound());
    put(&mut store, &[(b"later", Some(b"v"))]);
    drop(store);
    let store = open(&scratch.0, SMALL).unwrap();
    assert_eq!(store.scan(&[], &[], 999).unwrap().len(), 401);
    rewrite_all(&store);
    assert!(scratch.0.join("sled/db").exists() && !scratch.0.join("sled-2").exists());
}

/// Copies what is there; files may go meanwhile, as old ones do.
fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).into_iter().flatten().map_while(Result::ok) {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_directory(&path, &target);
        } else if let Err(error) = fs::copy(&path, &target) {
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{}", path.display());
        }
    }
}

fn files_of(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { all.extend(files_of(&path)) } else { all.push(path) }
    }
    all
}

#[test]
fn a_node_killed_at_any_step_of_a_rewrite_finds_all_it_had() {
    let scratch = Scratch::new();
    let mut store = open(&scratch.0, SMALL).unwrap();
    let mut rng = Rng(21);
    let mut model = MemoryStore::default();
    let mut random = |model: &mut MemoryStore, store: &mut SledStore| {
        let mut batch = Batch::default();
        for _ in 0..3 {
            let key = [rng.below(12) as u8];
            match rng.below(4) {
                0 => batch.remove(key),
                1 => batch.put(key, rng.noise(130_000)),
                _ => batch.put(key, rng.noise(20)),
            }
        }
        model.commit(batch.clone()).unwrap();
        store.commit(batch).unwrap();
    };
    for _ in 0..8 {
        random(&mut model, &mut store);
    }
    let id = store.id();
    let same_after_kill = |model: &MemoryStore, files: &Path| {
        let store = open(files, SMALL).unwrap();
        assert_eq!(store.scan(&[], &[], 999).unwrap(), model.scan(&[], &[], 999).unwrap());
        assert!(verify(&store.reader()).unwrap().is_sound());
        assert_eq!(store.id(), id, "partners see the same store");
        let sides = ["sled", "sled-2"].map(|name| files.join(name).exists());
        assert!(sides == [true, false] || sides == [false, true], "one engine is left: {sides:?}");
    };
    let mut stages = 0;
    for round in 0..2 {
        loop {
            let before = Scratch::new();
            copy_directory(&scratch.0, &before.0);
            let step = store.rewriter().step().unwrap();
            let after = Scratch::new();
            copy_directory(&scratch.0, &after.0);
            same_after_kill(&model, &after.0);
            stages += 1;
            if let Step::Done(_) = step {
                let (old, new) = [("sled", "sled-2"), ("sled-2", "sled")][round];
                assert!(!scratch.0.join(old).exists() && scratch.0.join(new).exists());
                // The copy was complete and the sentinel not written; and the other way round.
                fs::remove_dir_all(before.0.join(new)).unwrap();
                copy_directory(&scratch.0.join(new), &before.0.join(new));
                let both = Scratch::new();
                copy_directory(&scratch.0, &both.0);
                copy_directory(&before.0.join(old), &both.0.join(old));
                same_after_kill(&model, &before.0);
                // And with ever fewer of the old files.
                let old_files = files_of(&both.0.join(old));
                for gone in 0..=old_files.len() {
                    let part = Scratch::new();
                    copy_directory(&both.0, &part.0);
                    for file in &old_files[..gone] {
                        fs::remove_file(part.0.join(file.strip_prefix(&both.0).unwrap())).unwrap();
                    }
                    same_after_kill(&model, &part.0);
                }
                break;
            }
            random(&mut model, &mut store);
        }
    }
    assert!(stages > 8, "{stages} stages");
}

#[test]
fn a_copy_that_is_given_up_leaves_nothing_and_changes_nothing() {
    let scratch = Scratch::new();
    let mut store = open(&scratch.0, SMALL).unwrap();
    for n in 0..9u8 {
        put(&mut store, &[(&[n], Some(&[n; 40]))]);
    }
    let rewriter = store.rewriter();
    assert!(!rewriter.is_under_way());
    rewriter.step().unwrap();
    rewriter.step().unwrap();
    assert!(rewriter.is_under_way() && scratch.0.join("sled-2").exists());
    rewriter.give_up().unwrap();
    assert!(!rewriter.is_under_way() && !scratch.0.join("sled-2").exists());
    put(&mut store, &[(&[3], None)]);
    assert_eq!(store.scan(&[], &[], 99).unwrap().len(), 8);
    // A copy that cannot be put in place is none, and the store works on.
    rewriter.step().unwrap();
    fs::create_dir(scratch.0.join("sentinel.new")).unwrap();
    let error = loop {
        if let Err(error) = rewriter.step() {
            break error;
        }
    };
    assert!(matches!(error, RewriteError::Open(_)), "{error:?}");
    assert!(store.get(&[1]).is_err(), "where the sentinel may name either, nothing is read");
    drop((store, rewriter));
    fs::remove_dir(scratch.0.join("sentinel.new")).unwrap();
    assert_eq!(open(&scratch.0, SMALL).unwrap().scan(&[], &[], 99).unwrap().len(), 8);
}

#[test]
fn old_files_are_removed_beside_commits_and_nothing_is_done_before_they_are_gone() {
    let scratch = Scratch::new();
    let mut store = open(&scratch.0, SMALL).unwrap();
    for n in 0..9u8 {
        put(&mut store, &[(&[n], Some(&[n; 40]))]);
    }
    let rewriter = store.rewriter();
    let in_place = || while rewriter.step().unwrap() != Step::Removing {};
    in_place();
    put(&mut store, &[(b"meanwhile", Some(b"v"))]);
    while rewriter.step().unwrap() == Step::Removing {}
    assert!(!scratch.0.join("sled").exists() && scratch.0.join("sled-2").exists());
    // Given up when it is in place already: what is said to be done was begun later.
    in_place();
    put(&mut store, &[(b"later", Some(b"v"))]);
    rewriter.give_up().unwrap();
    assert_eq!(rewrite_all(&store).entries, 11);
    assert!(!scratch.0.join("sled").exists() && scratch.0.join("sled-2").exists());
    // Who opens it next waits for nothing, whenever it was let go.
    in_place();
    drop((store, rewriter));
    assert!(scratch.0.join("sled").exists() && !scratch.0.join("sled-2").exists());
    assert_eq!(open(&scratch.0, SMALL).unwrap().scan(&[], &[], 99).unwrap().len(), 11);
}
