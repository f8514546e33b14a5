//! Several nodes of one org: joining, handing stewardship over, ending a node, restoring a copy.

use crate::book::Address;
use crate::bundle::{Header, Verified};
use crate::codec;
use crate::facet::Edit;
use crate::fork::ForkProof;
use crate::id::{RecordId, ShareId};
use crate::keys::NO_SHARE;
use crate::message::{Approach, Blob, Frame, MAX_FRAME_BYTES};
use crate::policy::Reshare;
use crate::statement::{Body, Cause, Scope};
use crate::time::Hlc;
use crate::value::Value;
use crate::view::{From, ListQuery};
use crate::vocabulary::Kind;
use crate::world::{World, fields};

const A: usize = 0;
const B: usize = 1;

/// A and B paired, a share of A's with an event whose title B may edit.
pub fn begin() -> (World, ShareId, RecordId) {
    let mut world = World::new(23, &["Acme", "Bright", "Cedar"]);
    world.pair(A, B);
    let event = world.create(A, Kind::Event, &[("title", "FIRST"), ("venue", "HALL")]);
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    world.place(A, share, Kind::Event, &[event]);
    world.grant(A, B, share, A, fields(Kind::Event, &["title"], true), 0).unwrap();
    world.settle();
    (world, share, event)
}

fn own(record: RecordId) -> Address {
    Address::Own { kind: Kind::Event, record }
}

fn set(world: &mut World, node: usize, at: Address, text: &str) {
    let edits = vec![Edit::Put("title".into(), Value::Str(text.into()))];
    world.act(node, |r| r.edit(&at, edits)).unwrap();
}

fn titles(world: &World, node: usize, from: From) -> Vec<String> {
    let query = ListQuery { from, ..ListQuery::of(Kind::Event) };
    let list = world.replica(node).list(&query).unwrap().records;
    let mut titles: Vec<String> = list
        .into_iter()
        .filter_map(|view| match view.values().remove("title") {
            Some(Value::Str(title)) => Some(title),
            _ => None,
        })
        .collect();
    titles.sort();
    titles
}

fn received(world: &World, node: usize) -> Address {
    received_of(world, node, Kind::Event)
}

fn received_of(world: &World, node: usize, kind: Kind) -> Address {
    let query = ListQuery { from: From::Partners, ..ListQuery::of(kind) };
    world.replica(node).list(&query).unwrap().records[0].at
}

/// Nothing passes between these nodes from now on.
fn part(world: &mut World, pairs: &[(usize, usize)]) {
    world.cut.extend_from_slice(pairs);
    for (a, b) in pairs {
        world.disconnect(*a, *b);
    }
}

/// Lets everything arrive while an ended node tries to be let in, until it gives up.
fn settle_but(world: &mut World, ended: usize) {
    for _ in 0..800 {
        world.dial();
        world.deliver_one();
    }
    world.orgs[ended].dials.clear();
    world.settle();
}

/// No frame between two orgs speaks of a book.
fn no_book_was_offered(world: &World) {
    for (from, to, frame) in &world.sent {
        let shares: Vec<ShareId> = match codec::from_bytes::<Frame>(frame, MAX_FRAME_BYTES) {
            Ok(Frame::Digests { shares }) => shares.into_iter().map(|at| at.share).collect(),
            Ok(Frame::Heights { share, .. }) => vec![share],
            _ => continue,
        };
        let offered = shares.contains(&NO_SHARE) && world.id(*from) != world.id(*to);
        assert!(!offered, "{from} offers its book to {to}");
    }
}

#[test]
pub fn a_second_node_has_what_its_org_has_and_no_other_org_has_the_book() {
    let (mut world, share, event) = begin();
    let second = world.join(A, None);
    world.settle();
    assert_eq!(titles(&world, second, From::Own), ["FIRST"]);
    set(&mut world, second, own(event), "SECOND");
    world.settle();
    assert_eq!(titles(&world, A, From::Own), ["SECOND"]);
    assert_eq!(titles(&world, B, From::Partners), ["SECOND"], "the steward publishes it");
    let at = received(&world, B);
    set(&mut world, B, at, "THIRD");
    world.settle();
    assert_eq!(titles(&world, second, From::Own), ["THIRD"], "and absorbs what a partner edits");
    let history = world.replica(second).history(&own(event), Some("title")).unwrap();
    assert_eq!(history[0].by, world.id(B), "in the partner's name");
    let refused = world.act(second, |r| r.place(&share, Kind::Event, &[event])).unwrap_err();
    assert_eq!(refused.code(), "not_main_node");
    world.act(A, |r| r.delete(&own(event))).unwrap();
    world.settle();
    assert_eq!(titles(&world, second, From::Own), Vec::<String>::new());
    assert!(!world.holds(second, "THIRD") && !world.holds(B, "THIRD"));
    no_book_was_offered(&world);
}

#[test]
pub fn a_partner_with_two_nodes_edits_on_either() {
    let (mut world, _, event) = begin();
    let second = world.join(B, None);
    world.settle();
    let at = received(&world, second);
    set(&mut world, second, at, "SECOND");
    world.settle();
    assert_eq!(titles(&world, A, From::Own), ["SECOND"]);
    assert_eq!(titles(&world, B, From::Partners), ["SECOND"]);
    set(&mut world, B, at, "THIRD");
    world.settle();
    assert_eq!(titles(&world, second, From::Partners), ["THIRD"]);
    let _ = event;
}

#[test]
pub fn stewardship_is_handed_over_and_the_one_before_stops() {
    let (mut world, share, event) = begin();
    let second = world.join(A, None);
    world.settle();
    world.hand_over(A, second, 2);
    world.settle();
    let another = world.create(A, Kind::Event, &[("title", "OTHER")]);
    let refused = world.act(A, |r| r.place(&share, Kind::Event, &[another])).unwrap_err();
    assert_eq!(refused.code(), "not_main_node");
    world.settle();
    world.place(second, share, Kind::Event, &[another]);
    world.settle();
    assert_eq!(titles(&world, B, From::Partners), ["FIRST", "OTHER"]);
    set(&mut world, A, own(event), "SECOND");
    world.settle();
    assert_eq!(titles(&world, B, From::Partners), ["OTHER", "SECOND"]);
    let gone = world.act(second, |r| r.withdraw(&share, &[event])).unwrap();
    world.settle();
    assert_eq!((gone, titles(&world, B, From::Partners)), (1, vec!["OTHER".to_owned()]));
}

#[test]
pub fn what_two_nodes_say_of_a_partner_is_the_later_word_on_both() {
    let (mut world, _, _) = begin();
    let second = world.join(A, None);
    world.settle();
    part(&mut world, &[(A, second)]);
    let bright = world.id(B);
    world.act(A, |r| r.alias_partner(&bright, "early")).unwrap();
    world.now += 60_000;
    world.act(second, |r| r.alias_partner(&bright, "late")).unwrap();
    world.cut.clear();
    world.settle();
    let aliases =
        [A, second].map(|node| world.replica(node).partner(&bright).unwrap().partner.alias);
    assert_eq!(aliases, ["late", "late"]);
}

#[test]
pub fn what_another_node_took_over_goes_though_it_comes_after_the_answer() {
    let (mut world, share, _) = begin();
    let consent = r#"[{"purpose":"*","status":"given","at":"2026-01-01T00:00:00Z"}]"#;
    let values = [("name", "TOKEN"), ("consent", consent)];
    let customer = world.create(A, Kind::Customer, &values);
    let names = vec!["name".to_owned()];
    let kept = Scope::Fields { kind: Kind::Customer, fields: names, edit: false, keep: true };
    world.grant(A, B, share, A, kept, 0).unwrap();
    world.place(A, share, Kind::Customer, &[customer]);
    let second = world.join(B, None);
    world.settle();
    part(&mut world, &[(A, second), (B, second)]);
    let at = received_of(&world, second, Kind::Customer);
    world.act(second, |r| r.adopt(&at)).unwrap();
    let note = [("customer", at.text()), ("outcome", "NOTE".to_owned())];
    let note = note.each_ref().map(|(name, value)| (*name, value.as_str()));
    world.create(second, Kind::Interaction, &note);
    let own = Address::Own { kind: Kind::Customer, record: customer };
    world.act(A, |r| r.forget(&own, None)).unwrap();
    world.settle();
    let erasures = world.replica(A).erasures(&customer).unwrap();
    assert!(erasures.iter().all(|one| one.done_at.is_some()) && !erasures.is_empty());
    assert!(world.holds(second, "TOKEN"));
    world.cut.clear();
    world.settle();
    for token in ["TOKEN", "NOTE"] {
        let holders = [A, B, second].map(|node| world.holds(node, token));
        assert_eq!(holders, [false; 3], "{token}");
    }
}

#[test]
fn the_next_steward_knows_what_was_approved_and_who_was_forgotten() {
    const C: usize = 2;
    let (mut world, share, _) = begin();
    world.pair(B, C);
    world.grant(A, B, share, A, fields(Kind::Event, &["title"], false), 1).unwrap();
    world.act(A, |r| r.set_reshare(&share, Reshare::Ask)).unwrap();
    let firm = world.create(A, Kind::Customer, &[("type", "company"), ("name", "FIRM")]);
    world.grant(A, B, share, A, fields(Kind::Customer, &["name"], false), 0).unwrap();
    world.place(A, share, Kind::Customer, &[firm]);
    let second = world.join(A, None);
    world.settle();
    let firm_at = Address::Own { kind: Kind::Customer, record: firm };
    world.act(A, |r| r.forget(&firm_at, None)).unwrap();
    let passed = world.grant(B, C, share, A, fields(Kind::Event, &["title"], false), 0).unwrap();
    world.settle();
    world.hand_over(A, second, 2);
    world.settle();
    assert_eq!(titles(&world, C, From::Partners), Vec::<String>::new());
    world.act(second, |r| r.approve(&passed)).unwrap();
    world.settle();
    assert_eq!(titles(&world, C, From::Partners), ["FIRST"]);
    let erasures = world.replica(second).erasures(&firm).unwrap();
    assert!(erasures.iter().all(|one| one.done_at.is_some()) && !erasures.is_empty());
    assert!(!world.holds(second, "FIRM"));
}

#[test]
pub fn losing_the_steward_does_not_stop_the_org() {
    let (mut world, share, event) = begin();
    let second = world.join(A, None);
    world.settle();
    world.kill(A);
    let at = received(&world, B);
    set(&mut world, B, at, "SECOND");
    world.settle();
    assert_eq!(titles(&world, second, From::Own), ["FIRST"], "nobody absorbs it");
    world.end_node(second, A);
    world.hand_over(second, second, 2);
    world.settle();
    assert_eq!(titles(&world, second, From::Own), ["SECOND"]);
    set(&mut world, second, own(event), "THIRD");
    let another = world.create(second, Kind::Event, &[("title", "OTHER")]);
    world.place(second, share, Kind::Event, &[another]);
    world.settle();
    assert_eq!(titles(&world, B, From::Partners), ["OTHER", "THIRD"]);
}

#[test]
pub fn an_ended_node_is_not_let_in_and_its_work_is_written_anew() {
    let (mut world, _, _) = begin();
    let second = world.join(B, None);
    world.settle();
    // The steward of B has what its other node wrote, A does not.
    world.cut.extend([(A, B), (A, second)]);
    world.disconnect(A, B);
    world.disconnect(A, second);
    let at = received(&world, second);
    set(&mut world, second, at, "SECOND");
    world.settle();
    world.cut.push((B, second));
    world.disconnect(B, second);
    world.end_node(B, second);
    // A hears of the end first, by itself, and cuts at nothing.
    let ending = world.replica(B).directory.ended_nodes().next().unwrap().2;
    let ending = world.replica(B).statements[&ending].clone();
    world.act(A, |r| r.learn(vec![ending])).unwrap();
    world.cut.clear();
    settle_but(&mut world, second);
    assert_eq!(titles(&world, A, From::Own), ["SECOND"], "its org's steward wrote it anew");
    set(&mut world, second, at, "STOLEN");
    settle_but(&mut world, second);
    assert!(!world.holds(A, "STOLEN") && !world.holds(B, "STOLEN"));
    assert!(world.refusals.contains(&(A, "gate_certificate_expired")));
}

#[test]
pub fn an_ended_node_is_hung_up_on_and_writes_nothing_once_it_knows() {
    let (mut world, _, event) = begin();
    let second = world.join(A, None);
    world.settle();
    world.end_node(A, second);
    settle_but(&mut world, second);
    assert!(world.refusals.contains(&(A, "node_ended")), "{:?}", world.refusals);
    world.end_node(second, second);
    let edits = vec![Edit::Put("title".into(), Value::Str("SECOND".into()))];
    let refused = world.act(second, |r| r.edit(&own(event), edits)).unwrap_err();
    assert_eq!(refused.code(), "node_retired");
}

#[test]
pub fn what_an_ended_node_writes_later_does_not_count_whoever_brings_it() {
    const C: usize = 2;
    let (mut world, share, _) = begin();
    world.pair(A, C);
    world.pair(B, C);
    world.grant(A, C, share, A, fields(Kind::Event, &["title"], true), 0).unwrap();
    let second = world.join(B, None);
    world.settle();
    // C has not heard that the node was ended, and takes what it writes.
    world.cut.extend([(A, C), (B, C), (A, second), (B, second)]);
    for (a, b) in world.cut.clone() {
        world.disconnect(a, b);
    }
    world.end_node(B, second);
    let at = received(&world, second);
    set(&mut world, second, at, "STOLEN");
    world.settle();
    assert_eq!(titles(&world, C, From::Partners), ["STOLEN"]);
    world.cut.clear();
    settle_but(&mut world, second);
    assert_eq!(titles(&world, C, From::Partners), ["FIRST"]);
    assert_eq!(titles(&world, A, From::Own), ["FIRST"]);
}

#[test]
pub fn a_restored_node_takes_back_what_it_had_said_and_forks_nothing() {
    let (mut world, share, event) = begin();
    let gone = world.create(A, Kind::Event, &[("title", "GONE")]);
    world.place(A, share, Kind::Event, &[gone]);
    world.settle();
    let copy = world.orgs[A].disk.contents();
    set(&mut world, A, own(event), "SECOND");
    let later = world.create(A, Kind::Event, &[("title", "LATER")]);
    world.place(A, share, Kind::Event, &[later]);
    world.act(A, |r| r.withdraw(&share, &[gone])).unwrap();
    world.settle();
    world.restore(A, &copy);
    let refused = world.act(A, |r| r.place(&share, Kind::Event, &[gone])).unwrap_err();
    assert_eq!(refused.code(), "behind");
    set(&mut world, A, own(gone), "GONE TOO");
    world.settle();
    assert_eq!(titles(&world, A, From::Own), ["GONE TOO", "LATER", "SECOND"]);
    assert_eq!(
        titles(&world, B, From::Partners),
        ["LATER", "SECOND"],
        "what was withdrawn stays so"
    );
    set(&mut world, A, own(event), "THIRD");
    world.settle();
    assert_eq!(titles(&world, B, From::Partners), ["LATER", "THIRD"]);
    assert!(world.replica(B).forks.is_empty() && world.replica(A).forks.is_empty());
}

#[test]
pub fn a_restored_node_shows_nobody_what_it_had_ordered_to_erase() {
    const C: usize = 2;
    let (mut world, share, _) = begin();
    world.pair(A, C);
    let given = r#"{"purpose":"*","status":"given","at":"2026-01-01T00:00:00Z"}"#;
    let all = format!("[{given}]");
    let values = [("name", "TOKEN"), ("consent", all.as_str())];
    let customer = world.create(A, Kind::Customer, &values);
    for reader in [B, C] {
        world.grant(A, reader, share, A, fields(Kind::Customer, &["name"], false), 0).unwrap();
    }
    world.place(A, share, Kind::Customer, &[customer]);
    world.settle();
    let copy = world.orgs[A].disk.contents();
    let bright = world.id(B);
    let withdrawn = format!(
        r#"[{given},{{"purpose":"*","status":"withdrawn","at":"2026-06-01T00:00:00Z","scope":["{bright}"]}}]"#
    );
    let at = Address::Own { kind: Kind::Customer, record: customer };
    let edits = vec![Edit::Put("consent".into(), Value::Json(withdrawn))];
    world.act(A, |r| r.edit(&at, edits)).unwrap();
    world.settle();
    assert_eq!([B, C].map(|org| world.holds(org, "TOKEN")), [false, true]);
    world.restore(A, &copy);
    world.settle();
    assert_eq!([B, C].map(|org| world.holds(org, "TOKEN")), [false, true]);
    let erasures = world.replica(A).erasures(&customer).unwrap();
    assert!(erasures.iter().all(|one| one.done_at.is_some()) && !erasures.is_empty());
}

#[test]
pub fn a_restored_node_that_goes_on_alone_forks_nothing() {
    let (mut world, _, event) = begin();
    let copy = world.orgs[A].disk.contents();
    set(&mut world, A, own(event), "SECOND");
    world.settle();
    world.cut.push((A, B));
    world.restore(A, &copy);
    world.act(A, |r| r.go_on()).unwrap();
    set(&mut world, A, own(event), "THIRD");
    world.settle();
    world.cut.clear();
    world.settle();
    assert!(world.replica(B).forks.is_empty() && world.replica(A).forks.is_empty());
    assert_eq!(titles(&world, A, From::Own), titles(&world, B, From::Partners));
}

#[test]
pub fn a_copy_that_nobody_told_of_finds_out_when_it_meets_its_own_log() {
    let (mut world, share, event) = begin();
    let copy = world.orgs[A].disk.contents();
    set(&mut world, A, own(event), "SECOND");
    world.settle();
    world.kill(A);
    world.orgs[A].disk.put_back(&copy);
    world.start(A);
    world.settle();
    assert_eq!(titles(&world, A, From::Own), ["SECOND"]);
    let another = world.create(A, Kind::Event, &[("title", "OTHER")]);
    world.place(A, share, Kind::Event, &[another]);
    world.settle();
    assert_eq!(titles(&world, B, From::Partners), ["OTHER", "SECOND"]);
    assert!(world.replica(B).forks.is_empty());
}

#[test]
pub fn a_restored_node_of_two_has_everything_back_from_the_other() {
    let (mut world, share, event) = begin();
    let second = world.join(A, None);
    world.settle();
    let copy = world.orgs[A].disk.contents();
    let another = world.create(A, Kind::Event, &[("title", "OTHER"), ("notes", "never shared")]);
    world.place(A, share, Kind::Event, &[another]);
    set(&mut world, second, own(event), "SECOND");
    world.settle();
    world.restore(A, &copy);
    world.settle();
    assert_eq!(titles(&world, A, From::Own), ["OTHER", "SECOND"]);
    set(&mut world, A, own(another), "THIRD");
    world.settle();
    assert_eq!(titles(&world, B, From::Partners), ["SECOND", "THIRD"]);
    assert_eq!(titles(&world, second, From::Own), ["SECOND", "THIRD"]);
    assert!(world.replica(B).forks.is_empty() && world.replica(second).forks.is_empty());
}

#[test]
pub fn a_root_key_that_was_handed_over_certifies_nobody() {
    use crate::identity::OrgKeys;
    use crate::sign::SigningKey;
    let (mut world, _, event) = begin();
    let second = world.join(A, None);
    world.settle();
    let (old, party) = (world.orgs[A].keys.clone(), world.orgs[A].identity.party.clone());
    let next = SigningKey::from_bytes(&world.dice.bytes());
    let keeps = world.replica(A).directory.to_keep(&party.org);
    let rotation = old.rotate(&party, &next.public(), &keeps, Hlc(world.now << 16));
    world.act(A, |r| r.learn(vec![rotation])).unwrap();
    for node in [A, second] {
        world.orgs[node].keys = OrgKeys { root: old.successor.clone(), successor: next.clone() };
    }
    world.settle();
    let thief = SigningKey::from_bytes(&world.dice.bytes());
    let end = world.now * 2;
    let forged = old.certify(&party, thief.public(), Some(9), Hlc(world.now << 16), end);
    world.act(B, |r| r.learn(vec![forged.clone()])).unwrap();
    assert!(!world.replica(B).directory.certified(&party.org, &thief.public()));
    set(&mut world, second, own(event), "SECOND");
    let third = world.join(A, None);
    world.settle();
    assert_eq!(titles(&world, B, From::Partners), ["SECOND"]);
    assert_eq!(titles(&world, third, From::Own), ["SECOND"]);
}

#[test]
pub fn what_another_node_noted_about_a_forgotten_customer_goes_too() {
    let (mut world, ..) = begin();
    let twin = world.join(A, None);
    let customer = world.create(A, Kind::Customer, &[("name", "KNOWN")]);
    world.settle();
    part(&mut world, &[(A, twin)]);
    let about = Kind::Customer.id_text(&customer);
    let noted = [("customer", about.as_str()), ("staff_name", "NOTED")];
    let noted = world.create(twin, Kind::Participation, &noted);
    let about = Kind::Participation.id_text(&noted);
    world.create(twin, Kind::Followup, &[("participation", &about), ("value_band", "HIGH")]);
    let customer = Address::Own { kind: Kind::Customer, record: customer };
    world.act(A, |r| r.forget(&customer, None)).unwrap();
    assert!(world.holds(twin, "NOTED") && !world.holds(A, "NOTED"));
    world.cut.clear();
    world.settle();
    for (node, token) in [A, twin].into_iter().flat_map(|node| ["NOTED", "HIGH"].map(|t| (node, t)))
    {
        assert!(!world.holds(node, token), "{token} at {node}");
    }
}

#[test]
pub fn who_certifies_and_ends_a_node_of_another_company_stops_nothing_of_it() {
    let (mut world, _, event) = begin();
    let node = world.orgs[A].identity.node.public();
    let bright = &world.orgs[B];
    let ending = bright.keys.end(&bright.identity.party, node, Hlc(world.now << 16));
    let certificate = world.certificate(B, node, Some(9));
    world.act(B, |r| r.learn(vec![certificate, ending])).unwrap();
    world.settle();
    set(&mut world, A, own(event), "SECOND");
    world.settle();
    assert_eq!(titles(&world, B, From::Partners), ["SECOND"]);
}

#[test]
pub fn who_certifies_a_node_of_another_company_is_made_known_to_nobody_by_it() {
    let mut world = World::new(29, &["Acme", "Bright", "Cedar", "Dacha"]);
    let (cedar, dacha) = (2, 3);
    for (one, other) in [(A, B), (B, cedar), (A, dacha)] {
        world.pair(one, other);
    }
    let node = world.orgs[A].identity.node.public();
    let certificate = world.certificate(dacha, node, Some(9));
    world.act(dacha, |r| r.learn(vec![certificate])).unwrap();
    let event = world.create(A, Kind::Event, &[("title", "FIRST")]);
    let share = world.act(A, |r| r.open_share("launch", None, None)).unwrap();
    world.place(A, share, Kind::Event, &[event]);
    world.grant(A, B, share, A, fields(Kind::Event, &["title"], false), 1).unwrap();
    world.settle();
    assert_eq!(world.replica(A).directory.certificates(&node).len(), 2);
    world.cut.push((A, cedar));
    world.grant(B, cedar, share, A, fields(Kind::Event, &["title"], false), 0).unwrap();
    world.settle();
    world.cut.clear();
    world.settle();
    assert!(world.holds(cedar, "FIRST"), "A has introduced itself to C");
    let named = |frame: &[u8]| frame.windows(5).any(|word| word == b"Dacha");
    assert!(!world.frames.iter().any(|(to, frame)| *to == cedar && named(frame)));
}

#[test]
pub fn of_what_two_nodes_enter_about_a_consent_nothing_gets_lost() {
    // Whichever node's key is the greater, its word would be the one that shows.
    for (withdraws, gives) in [(0, 1), (1, 0)] {
        let (mut world, share, _) = begin();
        let bright = world.id(B);
        let given = r#"{"at":"2026-01-01T00:00:00Z","purpose":"launch","status":"given"}"#;
        let other = r#"{"at":"2026-03-01T00:00:00Z","purpose":"summit","status":"given"}"#;
        let ended = format!(
            r#"{{"at":"2026-02-01T00:00:00Z","purpose":"*","scope":["{bright}"],"status":"withdrawn"}}"#
        );
        let values = [("name", "TOKEN"), ("consent", &format!("[{given}]"))];
        let customer = world.create(A, Kind::Customer, &values);
        world.grant(A, B, share, A, fields(Kind::Customer, &["name"], false), 0).unwrap();
        world.place(A, share, Kind::Customer, &[customer]);
        let nodes = [A, world.join(A, None)];
        world.settle();
        assert!(world.holds(B, "TOKEN"));
        part(&mut world, &[(A, nodes[1])]);
        let at = Address::Own { kind: Kind::Customer, record: customer };
        for (node, more) in [(withdraws, ended.as_str()), (gives, other)] {
            let all = Value::Json(format!("[{given},{more}]"));
            let edits = vec![Edit::Put("consent".into(), all)];
            world.act(nodes[node], |r| r.edit(&at, edits)).unwrap();
        }
        world.cut.clear();
        world.settle();
        assert!(!world.holds(B, "TOKEN"));
        for node in nodes {
            let Some(Value::Json(all)) =
                world.replica(node).record(&at).unwrap().values().remove("consent")
            else {
                panic!("a consent");
            };
            for entry in [given, other, &ended] {
                assert!(all.contains(entry), "{all}");
            }
            assert!(
                world.replica(node).conflicts(&at).unwrap().is_empty(),
                "nothing is to be settled"
            );
        }
    }
}

#[test]
pub fn a_node_is_not_paired_with_by_another_of_its_company() {
    let (mut world, ..) = begin();
    let second = world.join(A, None);
    world.settle();
    let shown = |(_, frame): &(usize, Vec<u8>)| match codec::from_bytes(frame, MAX_FRAME_BYTES) {
        Ok(Frame::Gate { approach, .. }) => Some(approach),
        _ => None,
    };
    let mut shown = world.frames.iter().filter_map(shown);
    let approach = shown.find(|approach| matches!(approach, Approach::Invited { .. })).unwrap();
    let at = &world.orgs[second].identity;
    let (key, certificate) = (at.node.public(), Blob(at.certificate.bytes().to_vec()));
    let conn = world.connect_raw(key, A);
    let gate = Frame::Gate { certificate, rotations: Vec::new(), approach };
    world.send_raw(conn, &codec::to_bytes(&gate));
    assert_eq!(world.raw[&conn].closed, Some("gate_invite"));
}

#[test]
pub fn where_a_log_that_was_forked_ends_the_next_main_node_says() {
    let (mut world, ..) = begin();
    let second = world.join(A, None);
    world.settle();
    let at = received(&world, B);
    set(&mut world, B, at, "SECOND");
    world.settle();
    world.kill(A);
    let (bright, replica) = (world.id(B), world.replica(second));
    let (log, _) = replica.logs.iter().find(|(_, log)| log.author == bright).unwrap();
    let bundle = replica.bundle(log, 0).unwrap();
    let held = Verified::open(&codec::to_bytes(&bundle)).unwrap();
    let header = Header { at: Hlc(bundle.header.at.0 + 1), ..bundle.header };
    let other = Verified::write(header, bundle.leaves, &world.orgs[B].identity.node);
    let proof = ForkProof::of(&held, &other).unwrap();
    world.act(second, |r| r.prove_fork(proof)).unwrap();
    let cuts = |world: &World| {
        let mut said = world.replica(second).statements.values();
        said.any(|s| matches!(s.body(), Body::Cut { cause: Cause::Fork(_), .. }))
    };
    assert!(!cuts(&world), "it does not decide");
    world.end_node(second, A);
    world.hand_over(second, second, 2);
    world.settle();
    assert!(cuts(&world));
}
