//! Lies within a session: heights, wants, acknowledgements. A liar harms nobody but itself.

use super::*;
use crate::pace::BURST;
use crate::sync::{MAX_LOGS, PATIENCE_MS};

#[test]
fn who_offers_and_never_sends_does_not_keep_a_log_from_others() {
    let mut scene = Scene::begin(1);
    let (share, venue) = (scene.share, scene.venue);
    let at_c = scene.world.replica(C).locate_in(&share, Kind::Event, &scene.record, None);
    let at_c = at_c.unwrap().unwrap();
    scene.world.act(C, |r| r.edit(&at_c, vec![put("venue", "VENUE-1")])).unwrap();
    scene.world.settle();
    assert_eq!(scene.text(A, &venue, "venue"), "VENUE-1");
    // Cedar goes offline and writes on; Bright says that it has it all, and more.
    scene.world.disconnect(A, C);
    scene.world.cut = vec![(A, C)];
    scene.world.act(C, |r| r.edit(&at_c, vec![put("venue", "VENUE-2")])).unwrap();
    let me = scene.world.id(C);
    let log = *scene
        .world
        .replica(A)
        .logs
        .iter()
        .find(|(_, state)| state.author == me)
        .expect("Cedar's log")
        .0;
    let raw = scene.enter(B, A);
    scene.push(raw, log, venue, &[]);
    let asked = scene.heard(raw);
    assert!(asked.iter().any(|f| matches!(f, Frame::Want { .. })), "the liar is asked");
    scene.world.cut.clear();
    scene.world.settle();
    for _ in 0..3 {
        scene.world.now += PATIENCE_MS;
        scene.world.act(A, |r| r.tick_over()).unwrap();
        scene.world.settle();
    }
    assert_eq!(scene.text(A, &venue, "venue"), "VENUE-2");
    assert!(scene.heard(raw).iter().any(|f| matches!(f, Frame::Stop { .. })), "and told to stop");
}

/// Cedar has not been there while Bright wrote, and hears first that Bright may no more.
#[test]
pub fn what_its_author_may_not_bring_any_more_is_asked_of_the_others_at_once() {
    let mut scene = Scene::parted(9);
    let (brief, edit) = (scene.brief, scene.edit);
    let (log, bundle) = scene.titled("TITLE-B");
    let raw = scene.enter(B, A);
    scene.push(raw, log, brief, std::slice::from_ref(&bundle));
    scene.world.act(A, |r| r.revoke(&[edit], 1)).unwrap();
    let ends = |s: &&Statement| matches!(s.body(), Body::Revoke { .. } | Body::Cut { .. });
    let said: Vec<Statement> =
        scene.world.replica(A).statements.values().filter(ends).cloned().collect();
    assert_eq!(said.len(), 2, "the end, and how far the log counts");
    scene.world.act(C, |r| r.learn(said)).unwrap();
    let raw = scene.enter(B, C);
    scene.push(raw, log, brief, &[]);
    assert!(scene.heard(raw).contains(&Frame::Want { log, from: 0 }), "Bright is asked first");
    scene.world.cut.clear();
    scene.world.settle();
    assert_eq!(scene.holds(C, &log), 0, "and waited for");
    scene.send(raw, &Frame::Bundles { bundles: vec![Blob(bundle)] });
    assert!(scene.heard(raw).contains(&Frame::Stop { log }));
    scene.world.settle();
    assert_eq!((scene.holds(C, &log), scene.text(C, &brief, "title")), (1, "TITLE-B".into()));
}

#[test]
fn lies_about_heights_and_digests_of_others_settle_nothing_for_good() {
    let mut scene = Scene::begin(2);
    let raw = scene.enter(B, A);
    let before = scene.disk(A);
    for n in 0..200u8 {
        // Shares and logs that do not exist, with whatever digest.
        let share = ShareId([n; 32]);
        let digest = Nonce32([n; 32]);
        let at = Height {
            compartment: CompartmentId([n; 32]),
            log: LogId([n; 32]),
            height: u64::MAX,
            head: digest,
        };
        scene.send(raw, &Frame::Heights { share, digest, logs: vec![at] });
        scene.send(raw, &Frame::Heights { share, digest, logs: Vec::new() });
        let shares = vec![crate::message::ShareDigest { share, digest }];
        scene.send(raw, &Frame::Digests { shares });
        scene.send(raw, &Frame::Ask { shares: vec![share], settled: vec![share] });
    }
    assert!(scene.disk(A) < before + 2048, "nothing of it is kept");
    assert_eq!(scene.world.replica(A).unfinished(), 0);
    // A known share, settled by a lie: what the same peer really has is still taken.
    let digest = Nonce32([1; 32]);
    scene.send(raw, &Frame::Heights { share: scene.share, digest, logs: Vec::new() });
    let (brief, edit) = (scene.brief, scene.edit);
    let mut pen = scene.pen(B, brief, Some(edit));
    let leaf = scene.leaf(&pen.log(), &brief, put("title", "TITLE-B"));
    let bundle = bytes(&pen.seal(vec![leaf]));
    scene.push(raw, pen.log(), brief, &[bundle]);
    assert_eq!(scene.text(A, &brief, "title"), "TITLE-B");
}

#[test]
fn more_logs_than_there_can_be_end_the_session() {
    let mut scene = Scene::begin(3);
    let raw = scene.enter(B, A);
    for round in 0..5u32 {
        let at = |n: u32| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&(round * 4096 + n).to_be_bytes());
            let compartment = scene.brief;
            Height { compartment, log: LogId(id), height: 1, head: Nonce32(id) }
        };
        let logs: Vec<Height> = (0..4096).map(at).collect();
        let (share, digest) = (scene.share, Nonce32([1; 32]));
        scene.send(raw, &Frame::Heights { share, digest, logs });
    }
    assert_eq!(scene.closed(raw), Some("too_many_logs"));
    assert!(!scene.world.replica(A).sessions.contains_key(&raw.conn));
    scene.honest_edit_arrives("TITLE-1");
}

#[test]
fn who_wants_more_logs_than_there_can_be_and_takes_nothing_is_closed() {
    let mut scene = Scene::begin(8);
    let raw = scene.enter(B, A);
    // While something that was said is not acknowledged, what is wanted waits.
    for field in ["venue", "starts_at"] {
        let scope = fields(Kind::Event, &[field], false);
        scene.world.grant(A, B, scene.share, A, scope, 0).unwrap();
    }
    for n in 0..=MAX_LOGS {
        assert_eq!(scene.closed(raw), None, "{n} are not too many");
        let mut id = [7; 32];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        scene.send(raw, &Frame::Want { log: LogId(id), from: 0 });
    }
    assert_eq!(scene.closed(raw), Some("too_many_logs"));
    scene.honest_edit_arrives("TITLE-1");
}

#[test]
fn wants_of_what_is_not_there_or_far_beyond_are_answered_and_forgotten() {
    let mut scene = Scene::begin(4);
    let raw = scene.enter(B, A);
    let logs: Vec<LogId> = scene.world.replica(A).logs.keys().copied().collect();
    for log in &logs {
        for from in [u64::MAX, u64::MAX - 1, 1 << 40] {
            scene.send(raw, &Frame::Want { log: *log, from });
        }
    }
    for n in 0..100 {
        scene.send(raw, &Frame::Want { log: LogId([n; 32]), from: 0 });
        scene.send(raw, &Frame::Stop { log: LogId([n; 32]) });
        scene.send(raw, &Frame::Gone { log: LogId([n; 32]) });
    }
    let bundles = scene.heard(raw).iter().filter(|f| matches!(f, Frame::Bundles { .. })).count();
    assert_eq!(bundles, 0);
    let streams = scene.world.replica(A).sessions[&raw.conn].streams.len();
    assert!(streams <= logs.len(), "{streams}");
    assert_eq!(scene.closed(raw), None);
}

#[test]
fn acknowledgements_beyond_what_was_sent_cover_nothing_that_comes_later() {
    let mut scene = Scene::begin(5);
    let raw = scene.enter(B, A);
    let logs: Vec<LogId> = scene.world.replica(A).logs.keys().copied().collect();
    let before = scene.disk(A);
    for log in logs {
        scene.send(raw, &Frame::Stored { log, height: u64::MAX });
    }
    for n in 0..100 {
        scene.send(raw, &Frame::Stored { log: LogId([n; 32]), height: u64::MAX });
    }
    scene.send(raw, &Frame::StatementsStored { position: u64::MAX });
    assert!(scene.disk(A) < before + 1024, "nothing is noted of logs that are not there");
    let b = scene.world.id(B);
    assert_eq!(scene.world.replica(A).owed(&b), 0);
    scene.honest_edit_arrives("TITLE-1");
    assert!(scene.world.replica(A).owed(&b) > 0, "the new edit is still owed");
}

#[test]
fn bundles_nobody_asked_for_are_not_looked_at() {
    let mut scene = Scene::begin(6);
    let (log, bundle) = scene.titled("UNASKED");
    let raw = scene.enter(B, A);
    scene.send(raw, &Frame::Bundles { bundles: vec![Blob(bundle)] });
    assert_eq!(scene.holds(A, &log), 0);
    // Before the greeting they are a fault.
    let raw = scene.knock(B, A, Approach::Known);
    scene.send(raw, &Frame::Bundles { bundles: Vec::new() });
    assert_eq!(scene.closed(raw), Some("frame_unexpected"));
}

#[test]
pub fn who_floods_a_node_is_closed_and_may_come_back_slower() {
    let mut scene = Scene::begin(7);
    let raw = scene.enter(B, A);
    let share = scene.share;
    let ask = Frame::Ask { shares: vec![share], settled: Vec::new() };
    let mut sent = 0;
    while scene.closed(raw).is_none() && sent < BURST / 32 {
        scene.send(raw, &ask);
        scene.heard(raw);
        sent += 1;
    }
    assert_eq!(scene.closed(raw), Some("too_many_frames"));
    // Coming back at once does not help; waiting does.
    for (waited_ms, code) in [(0, Some("too_many_frames")), (1000, None)] {
        scene.world.now += waited_ms;
        let again = scene.enter(B, A);
        scene.send(again, &ask);
        assert_eq!(scene.closed(again), code);
    }
    scene.honest_edit_arrives("TITLE-1");
}

#[test]
pub fn a_log_that_may_not_be_had_is_said_to_be_gone() {
    let mut scene = Scene::begin(7);
    let raw = scene.enter(B, A);
    let venue = scene.venue;
    let logs = &scene.world.replica(A).logs;
    let of_venue = logs.iter().find(|(_, state)| state.compartment == venue);
    for log in [*of_venue.expect("a log").0, LogId([5; 32])] {
        scene.heard(raw);
        scene.send(raw, &Frame::Want { log, from: 0 });
        assert_eq!(scene.heard(raw), [Frame::Gone { log }], "absent and forbidden look the same");
    }
}
