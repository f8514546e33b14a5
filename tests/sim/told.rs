//! What people are shown and may ask back: shares, partners, lists, history, conflicts, rosters.

use crate::book::Address;
use crate::facet::Edit;
use crate::partner::PartnerState;
use crate::policy::Proposal;
use crate::refusal::Refusal;
use crate::roster::Invitation;
use crate::scene::{A, B, C, D, Scene, put};
use crate::select::Selector;
use crate::sharing::{GrantState, NewGrant};
use crate::value::Value;
use crate::view::{From, ListQuery};
use crate::vocabulary::Kind;
use crate::world::{contribute, fields};

fn refused<T: std::fmt::Debug>(done: Result<T, Refusal>) -> (&'static str, bool) {
    let refusal = done.expect_err("a refusal");
    assert!(!refusal.to_string().is_empty() && !format!("{:?}", refusal.class()).is_empty());
    (refusal.code(), refusal.hint().is_some())
}

fn own(scene: &Scene) -> Address {
    Address::Own { kind: Kind::Event, record: scene.event }
}

fn received(scene: &Scene) -> Address {
    let at = scene.world.replica(C).locate_in(&scene.share, Kind::Event, &scene.record, None);
    at.unwrap().expect("it is there")
}

#[test]
fn a_change_is_told_with_its_author_and_can_be_taken_back() {
    let mut scene = Scene::begin(1);
    let (at_a, at_c) = (own(&scene), received(&scene));
    scene.world.act(C, |r| r.edit(&at_c, vec![put("venue", "VENUE-C")])).unwrap();
    scene.world.settle();
    let told = scene.world.replica(A).history(&at_a, Some("venue")).unwrap();
    let values: Vec<_> = told.iter().map(|change| change.value.clone()).collect();
    let venue = |text: &str| Some(Value::Str(text.into()));
    assert_eq!(values, [venue("VENUE-C"), venue("VENUE-0")]);
    assert_eq!((told[0].by, told[1].by), (scene.world.id(C), scene.world.id(A)));
    assert!(scene.world.replica(A).history(&at_a, None).unwrap().len() >= 6);
    // Its reader may take it back as well, and its owner what was taken back.
    let of_c = scene.world.replica(C).history(&at_c, Some("venue")).unwrap();
    scene.world.act(C, |r| r.undo(&at_c, &of_c[0].id)).unwrap();
    scene.world.settle();
    assert_eq!(scene.world.replica(A).record(&at_a).unwrap().fields["venue"], venue("VENUE-0"));
    scene.world.act(A, |r| r.undo(&at_a, &told[0].id)).unwrap();
    let title = scene.world.replica(C).history(&at_c, Some("title")).unwrap();
    let undone = scene.world.act(C, |r| r.undo(&at_c, &title[0].id));
    assert_eq!(refused(undone), ("not_allowed", true));
    assert_eq!(refused(scene.world.act(A, |r| r.undo(&at_a, "chg_a"))).0, "not_found");
}

#[test]
fn values_set_at_the_same_time_are_told_until_one_is_chosen() {
    let mut scene = Scene::begin(2);
    let (at_a, at_c) = (own(&scene), received(&scene));
    scene.world.cut = vec![(A, C)];
    scene.world.disconnect(A, C);
    scene.world.act(A, |r| r.edit(&at_a, vec![put("venue", "VENUE-A")])).unwrap();
    scene.world.act(C, |r| r.edit(&at_c, vec![put("venue", "VENUE-C")])).unwrap();
    scene.world.cut.clear();
    scene.world.settle();
    let conflicts = scene.world.replica(C).conflicts(&at_c).unwrap();
    assert_eq!((conflicts.len(), conflicts[0].choices.len()), (1, 2));
    assert_eq!(scene.world.replica(C).record(&at_c).unwrap().conflicts, ["venue"]);
    let resolve = |scene: &mut Scene, field: &str, choice| {
        scene.world.act(C, |r| r.resolve(&at_c, field, choice))
    };
    assert_eq!(refused(resolve(&mut scene, "venue", 2)).0, "out_of_range");
    assert_eq!(refused(resolve(&mut scene, "title", 0)).0, "not_found");
    resolve(&mut scene, "venue", 0).unwrap();
    scene.world.settle();
    assert_eq!(scene.world.replica(C).conflicts(&at_c).unwrap(), []);
    let chosen = Some(conflicts[0].choices[0].0.clone());
    assert_eq!(scene.world.replica(A).record(&at_a).unwrap().fields["venue"], chosen);
}

#[test]
fn a_share_is_told_with_its_sections_grants_and_what_would_leave() {
    let mut scene = Scene::begin(3);
    let (share, c, d) = (scene.share, scene.world.id(C), scene.world.id(D));
    let at = |scene: &Scene| scene.world.replica(A).share(&share).unwrap();
    let view = at(&scene);
    assert_eq!((view.name.as_str(), view.grants.len(), view.sections.len()), ("launch", 3, 1));
    let compartments = &view.sections[0].compartments;
    let venue = compartments.iter().find(|one| one.fields == ["venue"]).expect("a compartment");
    assert!(venue.editors.contains(&c) && venue.readers.contains(&c) && venue.records > 0);
    assert!(view.grants.iter().all(|(_, state)| *state == GrantState::Active));
    let replica = scene.world.replica(A);
    assert_eq!(replica.shares().unwrap().len(), 1);
    assert_eq!(replica.share_name(&share), Some("launch"));
    assert_eq!(replica.find_share("launch").unwrap(), share);
    assert_eq!(replica.find_share(&share.to_string()[..12]).unwrap(), share);
    assert_eq!(refused(replica.find_share("autumn")), ("not_found", true));
    let grant = view.grants[0].0.id;
    assert_eq!(replica.find_grant(&share, &grant.to_string()[..12]).unwrap(), grant);
    assert_eq!(refused(replica.find_grant(&share, "grt_zzzz")).0, "not_found");
    assert_eq!(replica.placed(&share, Kind::Event).unwrap().len(), 2);
    let new = |to, names: &[&str], selector: Option<&str>| NewGrant {
        share,
        section: scene.world.id(A),
        to,
        scope: fields(Kind::Event, names, false),
        selector: selector.map(str::to_owned),
        with_history: false,
        depth: 0,
        expires_at: None,
    };
    let outlook =
        |new| replica.outlook(&share, &Proposal { add: vec![new], ..Proposal::default() });
    let gained = outlook(new(c, &["starts_at"], None)).unwrap().gained;
    assert_eq!((gained[0].records, gained[0].org), (2, c));
    assert_eq!(outlook(new(c, &["title"], Some("title=NONE"))).unwrap().gained[0].records, 0);
    assert_eq!(refused(outlook(new(d, &["title"], None))).0, "not_partner");
    assert_eq!(refused(outlook(new(c, &["title"], Some("title")))).0, "bad_selector");
    let third = scene.world.create(A, Kind::Event, &[("title", "THIRD")]);
    let (leaving, held) =
        scene.world.replica(A).preview_place(&share, Kind::Event, &[third]).unwrap();
    assert!(!leaving.is_empty() && held.is_empty());
    // All that a partner was granted ends at once.
    let ended = scene.world.act(A, |r| r.revoke_partner(&share, &c, 1)).unwrap();
    assert_eq!(ended.len(), 2);
    scene.world.settle();
    assert_eq!(scene.world.replica(C).grant_state(&ended[0]), GrantState::Revoked);
    assert!(at(&scene).grants.iter().any(|(_, state)| *state == GrantState::Revoked));
    let again = scene.world.act(A, |r| r.revoke(&ended, 0));
    assert!(again.is_ok() || refused(again).0 == "revoked");
}

#[test]
fn partners_are_told_found_paused_and_let_go() {
    let mut scene = Scene::begin(4);
    let (b, c) = (scene.world.id(B), scene.world.id(C));
    let names: Vec<String> =
        scene.world.replica(A).partner_list().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["Bright", "Cedar"]);
    let replica = scene.world.replica(A);
    assert!(replica.partner(&c).unwrap().connected && !replica.partner(&b).unwrap().connected);
    for text in ["cedar", "Cedar", "ced", &c.to_string()] {
        assert_eq!(replica.find_partner(text).unwrap(), c, "{text}");
    }
    assert_eq!(refused(replica.find_partner("Acme")).0, "oneself");
    assert_eq!(refused(replica.find_partner("org_")).0, "ambiguous");
    assert_eq!(refused(replica.find_partner("nobody")).0, "not_found");
    assert_eq!(refused(replica.partner(&scene.world.id(D))).0, "not_found");
    scene.world.act(A, |r| r.alias_partner(&c, "wood")).unwrap();
    assert_eq!(scene.world.replica(A).find_partner("wood").unwrap(), c);
    scene.world.act(A, |r| r.confirm_partner(&c)).unwrap();
    scene.world.act(A, |r| r.pause_partner(&c)).unwrap();
    // The other side would dial and be refused for ever.
    scene.world.cut = vec![(A, C)];
    scene.world.settle();
    let state = |scene: &Scene| scene.world.replica(A).partner(&c).unwrap().partner.state;
    assert_eq!(state(&scene), PartnerState::Paused);
    let at = own(&scene);
    scene.world.act(A, |r| r.edit(&at, vec![put("title", "LATER")])).unwrap();
    scene.world.settle();
    assert_ne!(scene.text(C, &scene.brief, "title"), "LATER");
    scene.world.act(A, |r| r.resume_partner(&c)).unwrap();
    scene.world.cut.clear();
    scene.world.settle();
    assert_eq!(
        (state(&scene), scene.text(C, &scene.brief, "title")),
        (PartnerState::Paired, "LATER".into())
    );
    scene.world.act(A, |r| r.remove_partner(&b)).unwrap();
    let removed = scene.world.replica(A).partner(&b).unwrap().partner.state;
    assert_eq!(removed, PartnerState::Removed);
}

#[test]
fn a_roster_joins_what_every_section_shows_of_an_event() {
    let mut scene = Scene::begin(5);
    let (share, purpose) = (scene.share, "launch");
    let scope = contribute(&[Kind::Customer, Kind::Participation]);
    scene.world.grant(A, C, share, A, scope, 0).unwrap();
    scene.world.settle();
    let at_c = received(&scene);
    let company = [("name", "Wood Works"), ("type", "company")];
    let firm = scene.world.create(C, Kind::Customer, &company);
    let person = scene.world.create(C, Kind::Customer, &[("name", "Lin")]);
    let names = ["consent", "do_not_contact", "name", "type"];
    let seen =
        fields(Kind::Participation, &["customer", "event", "role", "staff_name", "status"], false);
    for scope in [fields(Kind::Customer, &names, false), seen] {
        scene.world.grant(C, A, share, C, scope, 0).unwrap();
    }
    let invitation = |customers: Vec<_>| Invitation {
        customers,
        staff: vec!["Mo".into()],
        status: "invited".into(),
        role: None,
    };
    let (leaving, held) = scene
        .world
        .replica(C)
        .preview_participations(&at_c, &invitation(vec![firm, person]))
        .unwrap();
    assert!(!leaving.is_empty() && !held.is_empty(), "a person without consent is held back");
    let invited =
        scene.world.act(C, |r| r.add_participations(&at_c, &invitation(vec![firm, person])));
    let invited = invited.unwrap();
    assert_eq!(invited.participations.len(), 3);
    assert!(!invited.held_back.is_empty());
    scene.world.settle();
    let at_a = own(&scene);
    let rows = scene.world.replica(A).roster(&at_a).unwrap();
    assert_eq!(rows.len(), 2, "the firm and the staff of {purpose}");
    assert!(rows.iter().all(|row| row.contributed_by == scene.world.id(C)));
    let firms =
        rows.iter().filter_map(|row| row.customer.as_ref()).map(|c| c.fields["name"].clone());
    assert_eq!(firms.collect::<Vec<_>>(), [Some(Value::Str("Wood Works".into()))]);
    assert_eq!(scene.world.replica(C).roster(&at_c).unwrap().len(), 3);
    assert!(scene.world.replica(A).names_of(&at_a).unwrap().len() >= 2);
    let foreign = invitation(vec![scene.event]);
    let added = scene.world.act(A, |r| r.add_participations(&at_a, &foreign));
    assert_eq!(refused(added), ("not_own", true));
}

#[test]
fn lists_are_told_in_parts_and_records_by_the_beginning_of_their_ids() {
    let mut scene = Scene::begin(6);
    for n in 0..5 {
        scene.world.create(C, Kind::Event, &[("title", &format!("OWN-{n}"))]);
    }
    let replica = scene.world.replica(C);
    let query = |from, text: &str, limit, after| ListQuery {
        from,
        selector: Selector::parse(Kind::Event, text).unwrap(),
        after,
        limit,
        ..ListQuery::of(Kind::Event)
    };
    let count = |query: &ListQuery| replica.list(query).unwrap().records.len();
    assert_eq!(count(&query(From::All, "", usize::MAX, None)), 7);
    assert_eq!(count(&query(From::Own, "", usize::MAX, None)), 5);
    assert_eq!(count(&query(From::Partners, "", usize::MAX, None)), 2);
    assert_eq!(count(&query(From::All, "title=OWN-3", usize::MAX, None)), 1);
    let (mut seen, mut after) = (0, None);
    loop {
        let page = replica.list(&query(From::All, "", 2, after)).unwrap();
        seen += page.records.len();
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert_eq!(seen, 7);
    assert!(replica.count_records().unwrap() >= 5);
    let at = received(&scene);
    let text = at.text();
    assert_eq!(replica.find_record(&text, None).unwrap(), at);
    assert_eq!(replica.find_record(&text[..14], Some(Kind::Event)).unwrap(), at);
    assert_eq!(refused(replica.find_record("evt_", None)), ("ambiguous", true));
    assert_eq!(refused(replica.find_record("evt_zzzzzz", None)).0, "not_found");
    assert_eq!(refused(replica.find_record(&text, Some(Kind::Customer))).0, "not_found");
    let internal = vec![Edit::Clear("no_such_field".into())];
    assert_eq!(refused(scene.world.act(C, |r| r.edit(&at, internal))).0, "not_found");
}
