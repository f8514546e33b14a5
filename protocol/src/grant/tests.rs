//! Every rule at every depth, in every order of arrival.

use super::*;
use crate::id::Nonce;
use crate::id::PublicKey;
use crate::identity::org_id;
use crate::sign::SigningKey;
use crate::statement::Nonce32;

const DEPTHS: std::ops::RangeInclusive<usize> = 1..=5;

fn party(n: u8) -> Party {
    let (root, successor) = (PublicKey([n; 32]), Nonce32([n ^ 0x55; 32]));
    Party { org: org_id(&root, &successor), root, successor, name: format!("Org {n}") }
}

fn org(n: u8) -> OrgId {
    party(n).org
}

fn say(author: OrgId, at: u64, body: Body) -> Statement {
    Statement::sign(author, &SigningKey::from_bytes(&[1; 32]), Hlc(at << 16), body)
}

fn opening(opener: OrgId, nonce: u8) -> Statement {
    let (name, nonce) = ("Spring".to_owned(), Nonce([nonce; 16]));
    let purpose = name.clone();
    let body = Body::OpenShare { name, purpose, ends_at: None, retention_days: None, nonce };
    say(opener, 1, body)
}

fn share() -> ShareId {
    opening(org(0), 0).id().into()
}

fn fields(kind: Kind, names: &[&str]) -> Scope {
    let mut fields: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    fields.sort();
    Scope::Fields { kind, fields, edit: true, keep: true }
}

const NAMES: [&str; 8] =
    ["consent", "do_not_contact", "emails", "industry", "name", "org_name", "phones", "region"];

#[derive(Clone)]
struct Link {
    author: OrgId,
    share: ShareId,
    section: OrgId,
    to: Party,
    scope: Scope,
    depth: u8,
    expires_at: Option<Millis>,
}

impl Link {
    fn sign(&self, parent: Option<GrantId>, nonce: u8) -> Statement {
        let Link { author, share, section, to, scope, depth, expires_at } = self.clone();
        let nonce = Nonce([nonce; 16]);
        let body = Body::Grant { share, section, to, scope, parent, depth, expires_at, nonce };
        say(author, 2, body)
    }
}

/// Org 0 grants to org 1, org 1 to org 2, and so on, each link a field narrower.
fn links(len: usize) -> Vec<Link> {
    let link = |at: usize| Link {
        author: org(at as u8),
        share: share(),
        section: org(0),
        to: party(at as u8 + 1),
        scope: fields(Kind::Customer, &NAMES[..NAMES.len() - at]),
        depth: (len - at) as u8,
        expires_at: at.is_multiple_of(2).then_some(1_000 - at as Millis),
    };
    (0..len).map(link).collect()
}

fn contributing(len: usize) -> Vec<Link> {
    let kinds = vec![Kind::Event, Kind::Customer, Kind::Participation];
    let scope = Scope::Contribute { kinds };
    links(len).into_iter().map(|link| Link { scope: scope.clone(), ..link }).collect()
}

fn signed(links: &[Link]) -> (Vec<Statement>, Vec<GrantId>) {
    let mut statements = vec![opening(org(0), 0)];
    let mut ids = Vec::new();
    for (at, link) in links.iter().enumerate() {
        let statement = link.sign(ids.last().copied(), at as u8);
        ids.push(statement.id().into());
        statements.push(statement);
    }
    (statements, ids)
}

fn index(statements: &[Statement]) -> Grants {
    let mut grants = Grants::default();
    statements.iter().for_each(|statement| grants.insert(statement));
    grants
}

fn indexed(links: &[Link]) -> (Grants, Vec<GrantId>) {
    let (statements, ids) = signed(links);
    (index(&statements), ids)
}

fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for at in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        items.swap(at, (state >> 33) as usize % (at + 1));
    }
}

fn names_of(scope: &mut Scope) -> &mut Vec<String> {
    match scope {
        Scope::Fields { fields, .. } => fields,
        Scope::Contribute { .. } => panic!("a scope with fields"),
    }
}

fn add_name(scope: &mut Scope, name: &str) {
    let names = names_of(scope);
    names.push(name.to_owned());
    names.sort();
}

fn allow(link: &mut Link, may_edit: bool, may_keep: bool) {
    match &mut link.scope {
        Scope::Fields { edit, keep, .. } => (*edit, *keep) = (may_edit, may_keep),
        Scope::Contribute { .. } => panic!("a scope with fields"),
    }
}

/// What is broken, from which link on it can be broken, how, and which rule notices.
type Break = (&'static str, usize, fn(&mut [Link], usize), LinkError);

const BREAKS: &[Break] = &[
    ("keys of another org", 0, |l, at| l[at].to.root = PublicKey([99; 32]), LinkError::Party),
    ("another successor", 0, |l, at| l[at].to.successor = Nonce32([9; 32]), LinkError::Party),
    ("to its author", 0, |l, at| l[at].author = l[at].to.org, LinkError::ToSelf),
    ("to the publisher", 0, |l, at| to_publisher(l, at), LinkError::ToPublisher),
    ("nothing", 0, |l, at| names_of(&mut l[at].scope).clear(), LinkError::List),
    ("out of order", 0, |l, at| names_of(&mut l[at].scope).swap(0, 1), LinkError::List),
    ("twice", 0, |l, at| names_of(&mut l[at].scope).insert(0, "consent".into()), LinkError::List),
    ("no consent", 0, |l, at| drop_name(l, at, "consent"), LinkError::NeedsConsent(String::new())),
    (
        "no do_not_contact",
        0,
        |l, at| drop_name(l, at, "do_not_contact"),
        LinkError::NeedsConsent(String::new()),
    ),
    (
        "an internal field",
        0,
        |l, at| add_name(&mut l[at].scope, "remark"),
        LinkError::Internal(String::new()),
    ),
    ("by another org", 1, |l, at| l[at].author = org(70), LinkError::Issuer),
    ("for another share", 1, |l, at| l[at].share = ShareId([8; 32]), LinkError::Share),
    ("for another section", 1, |l, at| l[at].section = org(70), LinkError::Section),
    (
        "contribute under fields",
        1,
        |l, at| l[at].scope = Scope::Contribute { kinds: vec![Kind::Customer] },
        LinkError::Mixed,
    ),
    ("another kind", 1, |l, at| l[at].scope = fields(Kind::Event, &["region"]), LinkError::Kind),
    (
        "a wider field",
        1,
        |l, at| add_name(&mut l[at].scope, "department"),
        LinkError::WiderFields(String::new()),
    ),
    (
        "edit under read",
        1,
        |l, at| {
            l[..at].iter_mut().for_each(|link| allow(link, false, true));
        },
        LinkError::WiderEdit,
    ),
    (
        "keep under no keep",
        1,
        |l, at| {
            l[..at].iter_mut().for_each(|link| allow(link, true, false));
        },
        LinkError::WiderKeep,
    ),
    ("under no depth", 1, |l, at| l[at - 1].depth = 0, LinkError::NotPassable),
    ("equal depth", 1, |l, at| l[at].depth = l[at - 1].depth, LinkError::WiderDepth),
    ("more depth", 1, |l, at| l[at].depth = 255, LinkError::WiderDepth),
    ("a later end", 1, |l, at| l[at].expires_at = Some(1_001), LinkError::LaterExpiry),
];

fn to_publisher(links: &mut [Link], at: usize) {
    links[at].to = party(0);
    if at == 0 {
        links[0].author = org(70);
    }
}

fn drop_name(links: &mut [Link], at: usize, name: &str) {
    names_of(&mut links[at].scope).retain(|own| own != name);
}

#[test]
fn an_unbroken_chain_of_any_length_is_well_formed() {
    for len in 1..=MAX_CHAIN {
        let (grants, ids) = indexed(&contributing(len));
        let chain = grants.chain(ids.last().unwrap()).unwrap();
        assert_eq!(chain.iter().map(|link| link.id).collect::<Vec<_>>(), ids);
    }
    for len in DEPTHS {
        let (grants, ids) = indexed(&links(len));
        assert_eq!(grants.chain(ids.last().unwrap()).unwrap().len(), len);
        assert_eq!(grants.in_force(ids.last().unwrap(), 10), Ok(()));
    }
}

#[test]
fn a_chain_breaks_at_the_link_that_breaks_a_rule_and_not_above_it() {
    for (what, first, spoil, expected) in BREAKS {
        for len in DEPTHS {
            for at in *first..len {
                let mut links = links(len);
                spoil(&mut links, at);
                let (grants, ids) = indexed(&links);
                for (end, id) in ids.iter().enumerate() {
                    let case = format!("{what} at {at}, seen from {end} of {len}");
                    if end < at {
                        assert!(grants.chain(id).is_ok(), "{case}");
                        continue;
                    }
                    match grants.chain(id) {
                        Err(ChainError::Broken { link, rule }) => {
                            assert_eq!((link, rule.code()), (at, expected.code()), "{case}");
                        }
                        other => panic!("{case}: {other:?}"),
                    }
                    assert!(grants.in_force(id, 0).is_err(), "{case}");
                    assert!(grants.issuers_above(id).is_empty(), "{case}");
                    assert!(grants.to(&links[end].to.org).all(|info| info.id != *id), "{case}");
                    let section = grants.of_section(&links[end].share, &links[end].section);
                    assert!(section.into_iter().all(|info| info.id != *id), "{case}");
                }
                assert!(grants.below(&ids[0]).len() < at.max(1), "{what} at {at}");
            }
        }
    }
}

#[test]
fn kinds_only_shrink_at_every_depth() {
    for len in DEPTHS {
        for at in 1..len {
            let mut links = contributing(len);
            links[..at]
                .iter_mut()
                .for_each(|link| link.scope = Scope::Contribute { kinds: vec![Kind::Event] });
            let (grants, ids) = indexed(&links);
            let rule = LinkError::WiderKinds(Kind::Customer);
            assert_eq!(grants.chain(&ids[at]), Err(ChainError::Broken { link: at, rule }));
            assert!(grants.chain(&ids[at - 1]).is_ok());
        }
        for at in 1..len {
            let mut links = contributing(len);
            links[at].scope = fields(Kind::Event, &["title"]);
            let (grants, ids) = indexed(&links);
            let rule = LinkError::Mixed;
            assert_eq!(grants.chain(&ids[at]), Err(ChainError::Broken { link: at, rule }));
        }
    }
}

#[test]
fn only_the_publisher_begins_with_fields_and_only_the_opener_with_contributions() {
    let broken = |rule| Err(ChainError::Broken { link: 0, rule });
    let mut by_another = links(1);
    by_another[0].author = org(5);
    let (grants, ids) = indexed(&by_another);
    assert_eq!(grants.chain(&ids[0]), broken(LinkError::NotPublisher));

    for (author, section) in [(5, 5), (5, 0), (0, 5)] {
        let mut link = contributing(1);
        (link[0].author, link[0].section) = (org(author), org(section));
        let (grants, ids) = indexed(&link);
        assert_eq!(grants.chain(&ids[0]), broken(LinkError::NotOpener), "{author} {section}");
    }

    let (statements, ids) = signed(&contributing(3));
    let before = index(&statements[1..]);
    assert_eq!(before.chain(&ids[2]), Err(ChainError::MissingShare(share())));
    let mut of_b = links(1);
    (of_b[0].author, of_b[0].section, of_b[0].to) = (org(1), org(1), party(0));
    let (grants, ids) = indexed(&of_b);
    assert!(grants.chain(&ids[0]).is_ok(), "a contributor publishes its own section");
}

#[test]
fn a_missing_link_is_named_so_that_it_can_be_asked_for() {
    let (statements, ids) = signed(&links(5));
    for missing in 0..5 {
        let mut some = statements.clone();
        some.remove(missing + 1);
        let grants = index(&some);
        for (at, id) in ids.iter().enumerate() {
            match grants.chain(id) {
                Ok(_) => assert!(at < missing),
                Err(error) => assert_eq!(error, ChainError::Missing(ids[missing])),
            }
        }
        let named: Vec<_> = grants.missing().collect();
        assert_eq!(named, if missing == 4 { vec![] } else { vec![ids[missing]] });
    }
}

#[test]
fn a_chain_longer_than_eight_is_refused() {
    let (grants, ids) = indexed(&contributing(MAX_CHAIN + 1));
    assert!(grants.chain(&ids[MAX_CHAIN - 1]).is_ok());
    assert_eq!(grants.chain(&ids[MAX_CHAIN]), Err(ChainError::TooLong));
    let scope = Scope::Contribute { kinds: vec![Kind::Event] };
    let passed_on = grants.pass_on_check(&ids[MAX_CHAIN - 1], &scope, 0, None);
    assert_eq!(passed_on, Err(ChainError::TooLong));
}

#[test]
fn the_order_of_arrival_and_duplicates_change_no_answer() {
    let (mut statements, ids) = signed(&links(5));
    let (others, _) = signed(&contributing(4));
    statements.extend(others);
    let revoke = |n: u8, grant| say(org(n), 9, Body::Revoke { grant, reason: 1 });
    statements.extend([revoke(2, ids[3]), revoke(4, ids[2]), revoke(70, ids[0])]);
    statements.extend(statements.clone());
    let expected = index(&statements);
    for seed in 0..200 {
        shuffle(&mut statements, seed);
        assert_eq!(index(&statements), expected, "seed {seed}");
    }
}

#[test]
fn a_revocation_counts_if_its_author_issued_the_grant_or_one_above_it() {
    for len in DEPTHS {
        let (statements, ids) = signed(&links(len));
        for revoked in 0..len {
            for author in 0..=len + 1 {
                let body = Body::Revoke { grant: ids[revoked], reason: 1 };
                let revoke = say(org(author as u8), 9, body);
                let mut with = statements.clone();
                with.insert(0, revoke.clone());
                let grants = index(&with);
                let counts = author <= revoked;
                let case = format!("{author} revokes {revoked} of {len}");
                assert_eq!(grants.ended_by(&revoke.id()).is_some(), counts, "{case}");
                for (at, id) in ids.iter().enumerate() {
                    let ends = counts && at >= revoked;
                    assert!(grants.chain(id).is_ok(), "{case}: the past keeps its meaning");
                    assert_eq!(grants.revoked(id), ends, "{case}, seen from {at}");
                    let error = Err(ChainError::Revoked(ids[revoked]));
                    let expected = if ends { error } else { Ok(()) };
                    assert_eq!(grants.in_force(id, 0), expected, "{case}, seen from {at}");
                }
            }
        }
    }
}

#[test]
fn a_revocation_outlives_the_rights_of_its_author() {
    let (mut statements, ids) = signed(&links(4));
    let by_holder = say(org(2), 9, Body::Revoke { grant: ids[3], reason: 1 });
    let by_root = say(org(0), 8, Body::Revoke { grant: ids[1], reason: 1 });
    statements.extend([by_holder.clone(), by_root.clone()]);
    let grants = index(&statements);
    assert_eq!(grants.ended_by(&by_holder.id()), Some(ids[3]));
    assert_eq!(grants.revocations(&ids[3]), vec![(by_root.id(), ids[1]), (by_holder.id(), ids[3])]);
    assert_eq!(grants.in_force(&ids[3], 0), Err(ChainError::Revoked(ids[1])));
}

#[test]
fn a_link_ends_by_its_own_end_or_that_of_any_link_above() {
    for len in DEPTHS {
        for ending in 0..len {
            let mut links = links(len);
            for (at, link) in links.iter_mut().enumerate() {
                link.expires_at = (at == ending).then_some(500);
            }
            let (grants, ids) = indexed(&links);
            for (at, id) in ids.iter().enumerate() {
                let expired = Err(ChainError::Expired(ids[ending]));
                let then = if at >= ending { expired } else { Ok(()) };
                assert_eq!(grants.in_force(id, 499), Ok(()));
                assert_eq!(grants.in_force(id, 500), then, "{ending} of {len}, seen from {at}");
                assert_eq!(grants.expires_at(id).unwrap(), (at >= ending).then_some(500));
                assert!(grants.chain(id).is_ok(), "clocks decide nothing that counts");
            }
        }
    }
}

#[test]
fn a_link_without_an_end_does_not_hide_the_end_above_it() {
    let mut links = links(3);
    links[0].expires_at = Some(100);
    links[1].expires_at = None;
    links[2].expires_at = Some(101);
    let (grants, ids) = indexed(&links);
    let rule = LinkError::LaterExpiry;
    assert_eq!(grants.chain(&ids[2]), Err(ChainError::Broken { link: 2, rule }));
    links[2].expires_at = Some(100);
    let (grants, ids) = indexed(&links);
    assert!(grants.chain(&ids[2]).is_ok());
}

#[test]
fn a_grant_covers_what_every_link_names_and_nothing_else() {
    let mut chain = links(4);
    for link in &mut chain[2..] {
        allow(link, false, false);
    }
    let (grants, ids) = indexed(&chain);
    let (here, a, kind) = (share(), org(0), Kind::Customer);
    for (at, id) in ids.iter().enumerate() {
        for (field, name) in NAMES.iter().enumerate() {
            let granted = field < NAMES.len() - at;
            let missing = Err(ChainError::NotGranted((*name).to_owned()));
            let expected = if granted { Ok(()) } else { missing };
            let asked = ["consent", name];
            assert_eq!(grants.covers_read(id, &here, &a, kind, &asked), expected, "{at} {name}");
        }
        let edit = grants.covers_edit(id, &here, &a, kind, &["name"]);
        assert_eq!(edit, if at < 2 { Ok(()) } else { Err(ChainError::ReadOnly) });
    }
    let read = |share: &ShareId, section: &OrgId, kind, fields: &[&str]| {
        grants.covers_read(&ids[3], share, section, kind, fields)
    };
    let elsewhere = ShareId([8; 32]);
    assert_eq!(read(&elsewhere, &a, kind, &["name"]), Err(ChainError::OtherShare));
    assert_eq!(read(&here, &org(1), kind, &["name"]), Err(ChainError::OtherSection));
    assert_eq!(read(&here, &a, Kind::Event, &["region"]), Err(ChainError::OtherKind));
    assert_eq!(read(&here, &a, kind, &[]), Err(ChainError::NoField));
    let contribute = grants.covers_contribute(&ids[3], &here, kind);
    assert_eq!(contribute, Err(ChainError::OtherSort));
}

#[test]
fn a_right_to_contribute_covers_its_kinds_in_its_share() {
    let (grants, ids) = indexed(&contributing(3));
    let covers = |share: &ShareId, kind| grants.covers_contribute(&ids[2], share, kind);
    assert_eq!(covers(&share(), Kind::Customer), Ok(()));
    assert_eq!(covers(&share(), Kind::Followup), Err(ChainError::OtherKind));
    assert_eq!(covers(&ShareId([8; 32]), Kind::Customer), Err(ChainError::OtherShare));
    let read = grants.covers_read(&ids[2], &share(), &org(0), Kind::Customer, &["name"]);
    assert_eq!(read, Err(ChainError::OtherSort));
    assert_eq!(grants.contributions(&share()).count(), 3);
    assert_eq!(grants.of_section(&share(), &org(0)).count(), 0);
}

#[test]
fn lists_of_grants_follow_the_chain() {
    let (grants, ids) = indexed(&links(5));
    let of = |infos: Vec<&GrantInfo>| infos.iter().map(|info| info.id).collect::<Vec<_>>();
    assert_eq!(of(grants.below(&ids[1])), ids[2..].to_vec());
    assert_eq!(grants.issuers_above(&ids[2]), vec![org(0), org(1), org(2)]);
    assert_eq!(of(grants.to(&org(3)).collect()), vec![ids[2]]);
    assert_eq!(grants.of_section(&share(), &org(0)).count(), 5);
    assert_eq!(grants.audience(&ids[4]), Some(org(5)));
    assert_eq!(grants.opener(&share()), Some(org(0)));
    assert_eq!(grants.party(&org(4)), Some(&party(4)));
    assert_eq!(grants.party(&org(0)), None, "nobody granted to it");
}

#[test]
fn a_party_whose_keys_do_not_fit_is_not_listed() {
    let mut forged = links(1);
    forged[0].to.root = PublicKey([9; 32]);
    let (grants, _) = indexed(&forged);
    assert_eq!(grants.party(&org(1)), None);
}

#[test]
fn passing_on_is_checked_by_the_same_rules_before_it_is_signed() {
    let (grants, ids) = indexed(&links(2));
    let holder = &ids[1];
    let same = fields(Kind::Customer, &NAMES[..7]);
    let check = |scope: &Scope, depth, end| grants.pass_on_check(holder, scope, depth, end);
    let broken = |rule| Err(ChainError::Broken { link: 2, rule });
    assert_eq!(check(&same, 0, None), Ok(()));
    assert_eq!(check(&same, 0, Some(1_000)), Ok(()));
    assert_eq!(check(&same, 0, Some(1_001)), broken(LinkError::LaterExpiry));
    assert_eq!(check(&same, 1, None), broken(LinkError::WiderDepth));
    let region = "region".to_owned();
    let wider = fields(Kind::Customer, &NAMES);
    assert_eq!(check(&wider, 0, None), broken(LinkError::WiderFields(region)));
    let bare = fields(Kind::Customer, &["emails", "name"]);
    let emails = "emails".to_owned();
    assert_eq!(check(&bare, 0, None), broken(LinkError::NeedsConsent(emails)));
    let missing = GrantId([3; 32]);
    assert_eq!(grants.pass_on_check(&missing, &same, 0, None), Err(ChainError::Missing(missing)));
}

#[test]
fn codes_are_words_for_programs() {
    for (_, _, _, rule) in BREAKS {
        assert!(rule.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        let error = ChainError::Broken { link: 1, rule: rule.clone() };
        assert_eq!(error.code(), rule.code());
    }
}
