//! What the random worlds found, or reading for them, each as the shortest story that shows it.

use crate::book::Address;
use crate::codec;
use crate::facet::Edit;
use crate::id::{RecordId, ShareId};
use crate::message::{Frame, MAX_FRAME_BYTES};
use crate::partner::PartnerState;
use crate::policy::Reshare;
use crate::replica::Replica;
use crate::seeing::Wait;
use crate::sharing::{GrantState, NewGrant};
use crate::statement::{Nonce32, Scope};
use crate::value::Value;
use crate::vocabulary::Kind;
use crate::world::{World, contribute, fields};

use super::random::{MOST, play, steps};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

/// A paired with B and C, a share of A's, and an event in it.
fn begin() -> (World, ShareId, RecordId) {
    let mut world = World::new(11, &["Acme", "Bright", "Cedar"]);
    world.pair(A, B);
    world.pair(A, C);
    let event = world.create(A, Kind::Event, &[("title", "FIRST"), ("venue", "HALL")]);
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    world.place(A, share, Kind::Event, &[event]);
    (world, share, event)
}

fn title(edit: bool) -> Scope {
    fields(Kind::Event, &["title"], edit)
}

fn edit(world: &mut World, org: usize, at: Address, field: &str, text: &str) {
    let edits = vec![Edit::Put(field.into(), Value::Str(text.into()))];
    world.act(org, |r| r.edit(&at, edits)).unwrap();
}

fn received(world: &World, org: usize, kind: Kind) -> Vec<Address> {
    let query = crate::view::ListQuery {
        from: crate::view::From::Partners,
        ..crate::view::ListQuery::of(kind)
    };
    world.replica(org).list(&query).unwrap().records.into_iter().map(|view| view.at).collect()
}

fn shown(world: &World, org: usize, at: &Address, field: &str) -> Option<Value> {
    world.replica(org).record(at).ok()?.values().remove(field)
}

fn text(text: &str) -> Option<Value> {
    Some(Value::Str(text.into()))
}

#[test]
pub fn who_is_admitted_later_hears_of_what_was_there_without_reconnecting() {
    let (mut world, share, _) = begin();
    world.grant(A, B, share, A, title(false), 0).unwrap();
    world.settle();
    world.grant(A, C, share, A, title(false), 0).unwrap();
    world.settle();
    assert_eq!(received(&world, B, Kind::Event).len(), 1);
    assert_eq!(received(&world, C, Kind::Event).len(), 1);
}

#[test]
pub fn a_record_that_is_placed_again_is_seen_again() {
    let (mut world, share, event) = begin();
    world.grant(A, B, share, A, title(false), 0).unwrap();
    let other = world.create(A, Kind::Event, &[("title", "OTHER")]);
    world.place(A, share, Kind::Event, &[other]);
    world.settle();
    world.act(A, |r| r.withdraw(&share, &[event])).unwrap();
    world.settle();
    assert_eq!(received(&world, B, Kind::Event).len(), 1);
    assert!(!world.holds(B, "FIRST"), "withdrawn means erased");
    world.place(A, share, Kind::Event, &[event]);
    world.settle();
    assert_eq!(received(&world, B, Kind::Event).len(), 2);
}

#[test]
pub fn a_relay_serves_no_editor_whose_grant_has_ended() {
    let (mut world, share, event) = begin();
    world.pair(B, C);
    world.grant(A, B, share, A, title(false), 0).unwrap();
    let grant = world.grant(A, C, share, A, title(true), 0).unwrap();
    world.settle();
    world.cut.push((A, C));
    world.disconnect(A, C);
    world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    edit(&mut world, A, Address::Own { kind: Kind::Event, record: event }, "title", "SECOND");
    world.settle();
    assert!(world.holds(B, "SECOND"));
    assert!(!world.holds(C, "SECOND"));
}

#[test]
pub fn an_edit_of_an_erased_record_leaves_no_trace() {
    let (mut world, share, event) = begin();
    world.grant(A, B, share, A, title(true), 0).unwrap();
    let other = world.create(A, Kind::Event, &[("title", "OTHER")]);
    world.place(A, share, Kind::Event, &[other]);
    world.settle();
    let first = received(&world, B, Kind::Event);
    let at = first.into_iter().find(|at| shown(&world, B, at, "title") == text("FIRST")).unwrap();
    world.cut.push((A, B));
    world.disconnect(A, B);
    edit(&mut world, B, at, "title", "LATE");
    world.act(A, |r| r.withdraw(&share, &[event])).unwrap();
    world.cut.clear();
    world.settle();
    assert_eq!(received(&world, B, Kind::Event).len(), 1);
    assert!(!world.holds(A, "LATE") && !world.holds(B, "LATE"));
}

#[test]
pub fn a_log_is_asked_of_whoever_has_more_of_it() {
    let (mut world, share, event) = begin();
    world.pair(B, C);
    let grant = world.grant(A, B, share, A, title(false), 0).unwrap();
    world.settle();
    world.cut.push((A, C));
    world.disconnect(A, C);
    world.grant(A, C, share, A, title(true), 0).unwrap();
    world.settle();
    let at = received(&world, C, Kind::Event)[0];
    world.cut.clear();
    world.settle();
    // C follows the log at B, which gets no more of it.
    world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    world.settle();
    edit(&mut world, A, Address::Own { kind: Kind::Event, record: event }, "title", "SECOND");
    world.settle();
    assert_eq!(shown(&world, C, &at, "title"), text("SECOND"));
    assert!(!world.holds(B, "SECOND"));
}

#[test]
pub fn who_lost_its_grant_does_not_learn_who_came_later() {
    const D: usize = 3;
    let mut world = World::new(12, &["Acme", "Bright", "Cedar", "Dune"]);
    for partner in [B, C, D] {
        world.pair(A, partner);
    }
    let event = world.create(A, Kind::Event, &[("title", "FIRST")]);
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    world.place(A, share, Kind::Event, &[event]);
    // While D reads, the compartment stays, and C is let in to the one that B knows.
    world.grant(A, D, share, A, title(false), 0).unwrap();
    let grant = world.grant(A, B, share, A, title(false), 0).unwrap();
    world.settle();
    world.act(A, |r| r.revoke(&[grant], 1)).unwrap();
    world.settle();
    world.grant(A, C, share, A, title(true), 0).unwrap();
    world.settle();
    assert_eq!(received(&world, C, Kind::Event).len(), 1);
    assert!(!world.holds(B, "Cedar"));
}

#[test]
pub fn who_only_read_hears_that_it_has_ended() {
    let (mut world, share, _) = begin();
    world.pair(B, C);
    let above = world.grant(A, B, share, A, title(false), 1).unwrap();
    world.settle();
    let below = world.grant(B, C, share, A, title(false), 0).unwrap();
    world.settle();
    world.act(A, |r| r.revoke(&[above], 1)).unwrap();
    world.settle();
    let state = |org: usize, grant| world.replica(org).grant_state(grant);
    assert_eq!(state(B, &above), crate::sharing::GrantState::Revoked);
    assert_eq!(state(C, &below), crate::sharing::GrantState::Revoked);
}

#[test]
pub fn an_editor_that_keeps_another_grant_goes_on_after_one_was_revoked() {
    let (mut world, share, event) = begin();
    world.grant(A, B, share, A, title(true), 0).unwrap();
    world.grant(A, B, share, A, title(true), 0).unwrap();
    world.settle();
    let at = received(&world, B, Kind::Event)[0];
    world.cut.push((A, B));
    world.disconnect(A, B);
    edit(&mut world, B, at, "title", "TOO LATE");
    let used = world.replica(B).logs.values().find_map(|log| log.grant).unwrap();
    world.act(A, |r| r.revoke(&[used], 1)).unwrap();
    world.cut.clear();
    world.settle();
    assert_eq!(shown(&world, B, &at, "title"), text("FIRST"), "cut off everywhere");
    edit(&mut world, B, at, "title", "IN TIME");
    world.settle();
    let own = Address::Own { kind: Kind::Event, record: event };
    assert_eq!(shown(&world, A, &own, "title"), text("IN TIME"));
}

/// B contributes a company, and A reads its name.
fn contributed(world: &mut World, share: ShareId) -> (crate::id::GrantId, Address) {
    let right = world.grant(A, B, share, A, contribute(&[Kind::Customer]), 0).unwrap();
    world.settle();
    let scope = fields(Kind::Customer, &["org_name"], false);
    world.grant(B, A, share, B, scope, 0).unwrap();
    let record =
        world.create(B, Kind::Customer, &[("type", "company"), ("org_name", "ONE"), ("name", "N")]);
    world.place(B, share, Kind::Customer, &[record]);
    world.settle();
    (right, Address::Own { kind: Kind::Customer, record })
}

#[test]
pub fn a_contributor_whose_right_has_ended_goes_on_with_its_book() {
    let (mut world, share, _) = begin();
    let (right, at) = contributed(&mut world, share);
    world.act(A, |r| r.revoke(&[right], 1)).unwrap();
    world.settle();
    edit(&mut world, B, at, "org_name", "TWO");
    // A grant passed on into the section makes its plan be made anew: the node must not fail.
    let new = NewGrant {
        share,
        section: world.id(B),
        to: world.id(C),
        scope: fields(Kind::Customer, &["org_name"], false),
        selector: None,
        with_history: false,
        depth: 0,
        expires_at: None,
    };
    assert!(world.act(B, |r| r.grant(new)).is_err());
    world.act(B, |r| r.withdraw(&share, &[at.record()])).unwrap();
    world.settle();
    assert!(received(&world, A, Kind::Customer).is_empty());
    assert!(!world.holds(A, "TWO"));
}

#[test]
pub fn a_contributor_with_a_new_right_publishes_anew_what_was_refused() {
    let (mut world, share, _) = begin();
    let (right, at) = contributed(&mut world, share);
    world.cut.push((A, B));
    world.disconnect(A, B);
    edit(&mut world, B, at, "org_name", "TWO");
    world.act(A, |r| r.revoke(&[right], 1)).unwrap();
    world.cut.clear();
    world.settle();
    world.grant(A, B, share, A, contribute(&[Kind::Customer]), 0).unwrap();
    world.settle();
    let there = received(&world, A, Kind::Customer);
    assert_eq!(shown(&world, A, &there[0], "org_name"), text("TWO"));
    edit(&mut world, B, at, "org_name", "THREE");
    world.settle();
    assert_eq!(shown(&world, A, &there[0], "org_name"), text("THREE"));
}

#[test]
pub fn what_is_about_a_customer_goes_when_the_customer_goes() {
    let (mut world, share, _) = begin();
    let consent = r#"[{"purpose":"*","status":"given","at":"2026-01-01T00:00:00Z"}]"#;
    let customer = world.create(A, Kind::Customer, &[("name", "N"), ("consent", consent)]);
    let about = Kind::Customer.id_text(&customer);
    let fit = [("customer", about.as_str()), ("fit_reason", "REASON")];
    let participation = world.create(A, Kind::Participation, &fit);
    let scope = fields(Kind::Participation, &["fit_reason"], false);
    world.grant(A, B, share, A, scope, 0).unwrap();
    world.place(A, share, Kind::Participation, &[participation]);
    world.settle();
    assert_eq!(received(&world, B, Kind::Participation).len(), 1);
    let at = Address::Own { kind: Kind::Customer, record: customer };
    let none = Value::Json("[]".into());
    world.act(A, |r| r.edit(&at, vec![Edit::Put("consent".into(), none)])).unwrap();
    world.settle();
    assert!(!world.holds(B, "REASON"), "without consent, though the customer is in no share");
    let given = Value::Json(consent.into());
    world.act(A, |r| r.edit(&at, vec![Edit::Put("consent".into(), given)])).unwrap();
    world.settle();
    assert!(world.holds(B, "REASON"));
    world.act(A, |r| r.delete(&at)).unwrap();
    world.settle();
    assert!(!world.holds(B, "REASON"), "nobody is left who could consent");
}

#[test]
pub fn what_an_editor_makes_of_a_consent_does_not_stand() {
    let (mut world, share, _) = begin();
    let consent = r#"[{"purpose":"*","status":"given","at":"2026-01-01T00:00:00Z"}]"#;
    let customer = world.create(A, Kind::Customer, &[("address", "STREET"), ("consent", consent)]);
    let scope = fields(Kind::Customer, &["address", "consent"], true);
    world.grant(A, B, share, A, scope, 0).unwrap();
    world.place(A, share, Kind::Customer, &[customer]);
    world.settle();
    let at = received(&world, B, Kind::Customer)[0];
    let before = shown(&world, B, &at, "consent");
    let forged = vec![Edit::Put("consent".into(), Value::Json("[]".into()))];
    world.act(B, |r| r.edit(&at, forged)).unwrap();
    world.settle();
    assert!(before.is_some());
    assert_eq!(shown(&world, B, &at, "consent"), before);
}

#[test]
pub fn an_org_that_is_known_only_as_an_editor_is_granted_nothing() {
    let (mut world, share, _) = begin();
    world.grant(A, B, share, A, title(true), 0).unwrap();
    world.grant(A, C, share, A, title(false), 0).unwrap();
    world.settle();
    assert!(world.replica(C).directory.party(&world.id(B)).is_some(), "C reads what B edits");
    let own = world.act(C, |r| r.open_share("fair", None, None)).unwrap();
    let refused = world.grant(C, B, own, C, title(false), 0).unwrap_err();
    assert_eq!(refused.code(), "not_partner");
    assert!(refused.to_string().contains("Bright") && refused.hint().is_some());
    world.settle();
    world.pair(B, C);
    world.grant(C, B, own, C, title(false), 0).unwrap();
    let bright = world.id(B);
    world.act(C, |r| r.remove_partner(&bright)).unwrap();
    assert_eq!(world.grant(C, B, own, C, title(false), 0).unwrap_err().code(), "not_partner");
    world.settle();
}

#[test]
pub fn what_was_passed_on_waits_for_the_approval_that_was_reserved() {
    let mut world = World::new(31, &["Acme", "Bright", "Cedar"]);
    world.pair(A, B);
    world.pair(B, C);
    let event = world.create(A, Kind::Event, &[("title", "FIRST")]);
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    world.place(A, share, Kind::Event, &[event]);
    world.grant(A, B, share, A, title(false), 1).unwrap();
    let kinds = contribute(&[Kind::Customer]);
    world.grant(A, B, share, A, kinds.clone(), 1).unwrap();
    world.settle();
    world.act(A, |r| r.set_reshare(&share, Reshare::Ask)).unwrap();
    let reads = world.grant(B, C, share, A, title(false), 0).unwrap();
    let adds = world.grant(B, C, share, A, kinds, 0).unwrap();
    world.settle();
    let firm = world.create(C, Kind::Customer, &[("type", "company"), ("name", "FIRM")]);
    world.place(C, share, Kind::Customer, &[firm]);
    world.grant(C, A, share, C, fields(Kind::Customer, &["name"], false), 0).unwrap();
    world.settle();
    assert_eq!(received(&world, C, Kind::Event), []);
    assert_eq!(received(&world, A, Kind::Customer), []);
    assert!(!world.holds(C, "FIRST") && !world.holds(A, "FIRM"));
    let states = |org: usize| [reads, adds].map(|id| world.replica(org).grant_state(&id));
    assert_eq!(states(A), [GrantState::Waiting; 2]);
    assert_eq!(states(B)[0], GrantState::Waiting);
    let info = world.replica(B).grant_info(&reads).unwrap().clone();
    assert_eq!(world.replica(B).waits_for(&info), Wait::Approval);
    assert_eq!(world.replica(A).unfinished(), 0, "only a person is waited for");
    world.act(A, |r| r.approve(&reads)).unwrap();
    world.settle();
    assert_eq!(received(&world, C, Kind::Event).len(), 1);
    assert_eq!(received(&world, A, Kind::Customer), []);
    world.act(A, |r| r.approve(&adds)).unwrap();
    world.settle();
    assert_eq!(received(&world, A, Kind::Customer).len(), 1);
    assert_eq!([A, B].map(|org| world.replica(org).grant_state(&reads)), [GrantState::Active; 2]);
}

#[test]
fn what_was_let_in_stays_when_approval_is_reserved_and_what_waits_comes_when_it_is_given_up() {
    let mut world = World::new(32, &["Acme", "Bright", "Cedar"]);
    world.pair(A, B);
    world.pair(B, C);
    let event = world.create(A, Kind::Event, &[("title", "FIRST"), ("venue", "HALL")]);
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    world.place(A, share, Kind::Event, &[event]);
    world.grant(A, B, share, A, fields(Kind::Event, &["title", "venue"], false), 1).unwrap();
    world.settle();
    world.grant(B, C, share, A, title(false), 0).unwrap();
    world.settle();
    world.act(A, |r| r.set_reshare(&share, Reshare::Ask)).unwrap();
    world.settle();
    let venue = fields(Kind::Event, &["venue"], false);
    let late = world.grant(B, C, share, A, venue, 0).unwrap();
    world.settle();
    let at = received(&world, C, Kind::Event)[0];
    assert_eq!(shown(&world, C, &at, "title"), text("FIRST"));
    assert_eq!(shown(&world, C, &at, "venue"), None);
    let refused = world.act(B, |r| r.approve(&late)).unwrap_err();
    assert_eq!(refused.code(), "not_allowed", "only the publisher lets anybody in");
    world.act(A, |r| r.set_reshare(&share, Reshare::Auto)).unwrap();
    world.settle();
    assert_eq!(shown(&world, C, &at, "venue"), text("HALL"));
}

/// The digest of a share says what a peer has only once it was told all of the share.
#[test]
pub fn what_grows_before_a_peer_said_what_it_lacks_settles_nothing() {
    let (mut world, share, event) = begin();
    world.grant(A, B, share, A, title(false), 0).unwrap();
    world.settle();
    world.disconnect(A, B);
    edit(&mut world, A, Address::Own { kind: Kind::Event, record: event }, "title", "SECOND");
    world.sent.clear();
    world.dial();
    let frames = |world: &World| -> Vec<Frame> {
        let to_bright = world.sent.iter().filter(|(from, to, _)| (*from, *to) == (A, B));
        to_bright.map(|(_, _, bytes)| codec::from_bytes(bytes, MAX_FRAME_BYTES).unwrap()).collect()
    };
    while !frames(&world).iter().any(|frame| matches!(frame, Frame::Digests { .. })) {
        assert!(world.deliver_one());
    }
    edit(&mut world, A, Address::Own { kind: Kind::Event, record: event }, "title", "THIRD");
    let told = |frame: Frame| match frame {
        Frame::Heights { digest, .. } => Some(digest),
        _ => None,
    };
    let told: Vec<Nonce32> = frames(&world).into_iter().filter_map(told).collect();
    assert_eq!(told, [Nonce32([0; 32])]);
    world.settle();
    assert!(world.holds(B, "THIRD"));
}

/// No way is known in which this comes about; it is made here by hand.
#[test]
pub fn what_both_believe_wrongly_is_believed_for_a_day_at_most() {
    const HOUR: u64 = 60 * 60 * 1000;
    for stay in [true, false] {
        let (mut world, share, event) = begin();
        world.grant(A, B, share, A, title(false), 0).unwrap();
        world.settle();
        world.disconnect(A, B);
        edit(&mut world, A, Address::Own { kind: Kind::Event, record: event }, "title", "SECOND");
        let (from, reader) = (world.orgs[A].identity.node.public(), world.id(B));
        let digest = Replica::digest(&world.replica(A).servable(&reader)[&share]);
        world
            .act(B, |r| {
                r.peers.get_mut(&from).expect("a peer").settled.insert(share, digest);
                Ok(())
            })
            .unwrap();
        world.settle();
        assert!(!world.holds(B, "SECOND"), "both are content");
        if !stay {
            world.disconnect(A, B);
        }
        world.now += 25 * HOUR;
        if stay {
            world.act(B, |r| r.tick_over()).unwrap();
        }
        world.settle();
        assert!(world.holds(B, "SECOND"), "connected all the time: {stay}");
        assert_eq!(world.replica(A).owed(&reader), 0);
    }
}

#[test]
pub fn a_pairing_goes_on_wherever_its_line_breaks() {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Before {
        Nothing,
        Partners,
        Removed,
    }
    let before = [Before::Nothing, Before::Partners, Before::Removed];
    let cases = before.into_iter().flat_map(|known| [(known, 0, 1), (known, 1, 0)]);
    for ((known, inviter, newcomer), frames) in cases.flat_map(|c| (0..12).map(move |n| (c, n))) {
        let mut world = World::new(40, &["Acme", "Bright"]);
        if known != Before::Nothing {
            world.pair(0, 1);
        }
        let bright = world.id(1);
        if known == Before::Removed {
            world.act(0, |r| r.remove_partner(&bright)).unwrap();
            world.settle();
        }
        let line = world.act(inviter, |r| r.invite(1_000_000, false)).unwrap();
        world.act(newcomer, |r| r.accept(&line)).unwrap();
        for _ in 0..frames {
            world.dial();
            world.deliver_one();
        }
        world.sever(0, 1);
        world.settle();
        let case = format!("{known:?}, {inviter} invites, breaks after {frames} frames");
        assert!(!world.replica(newcomer).is_pairing(&world.id(inviter)), "{case}");
        let partners = [(0, 1), (1, 0)]
            .map(|(org, other)| world.replica(org).partner(&world.id(other)).expect(&case).partner);
        assert_eq!(partners.each_ref().map(|p| p.state), [PartnerState::Paired; 2], "{case}");
        assert_eq!(partners[0].code, partners[1].code, "{case}");
    }
}

/// What it takes only chance has found so far: a share's heights that reach a reader before what
/// was said of the share does.
#[test]
pub fn what_is_shared_while_the_last_is_still_being_told_arrives_too() {
    let seed = 31119;
    let played = play(seed, MOST, &steps(seed, 40)).map_err(|failure| failure.what);
    assert!(played.is_ok(), "{played:?}");
}
