//! The oracle can fail: every rule that is switched off is noticed, and a planted leak is found.

use std::panic::catch_unwind;

use crate::mutation::{Law, without};

use super::hostile::{self, bundle, session, statement};
use super::random::{MOST, Sim, Size, number, play, steps};
use super::{audit, cost, ending, erasure, found, moves, nodes, restored, rolls};

/// Seeds within which a broken rule must be noticed.
const SEEDS: u64 = 400;

const LAWS: &[Law] = &[
    Law::Depth,
    Law::Fields,
    Law::Edit,
    Law::Internal,
    Law::Grantee,
    Law::Editors,
    Law::Cut,
    Law::CutOnRevoke,
    Law::Serving,
    Law::LaterNames,
    Law::Reach,
    Law::Selector,
    Law::Approval,
    Law::Consent,
    Law::Evidence,
    Law::FollowCustomer,
    Law::Superseded,
    Law::Doubt,
    Law::Overgrown,
    Law::Redaction,
    Law::Remains,
    Law::Obey,
    Law::WithdrawnIsForgotten,
    Law::TakenOutToo,
    Law::OwnType,
    Law::Keep,
    Law::CopiesStay,
    Law::LateErased,
    Law::Retired,
    Law::Turn,
    Law::Revocations,
    Law::Hearsay,
    Law::Gone,
    Law::Heads,
    Law::PutRight,
    Law::SaidFirst,
    Law::Announce,
    Law::Durable,
    Law::Purge,
    Law::AskForLost,
    Law::AskNoMore,
    Law::AskTheRest,
    Law::Unknown,
    Law::CompareAgain,
    Law::LateNotes,
    Law::Unanswered,
    Law::TooLate,
    Law::RejectedIsForgotten,
    Law::Receipt,
    Law::Moves,
    Law::Newcomers,
    Law::MovesAreDone,
    Law::Unseen,
    Law::Expired,
    Law::ExpiryIsSaid,
    Law::CutContributors,
    Law::LateCause,
    Law::Cursor,
    Law::Absorb,
    Law::Pace,
    Law::Logs,
    Law::Audited,
    Law::Chain,
    Law::AuditFirst,
    Law::Past,
    Law::Told,
    Law::Book,
    Law::OldRoots,
    Law::EndedNodes,
    Law::CutOnEnd,
    Law::OthersCertificates,
    Law::OwnNodes,
    Law::BothConsents,
    Law::StockFirst,
    Law::StaysOut,
    Law::BelowCuts,
    Law::CameBack,
    Law::ForgedOrders,
    Law::PairingGoesOn,
    Law::OwnInvite,
    Law::ForkCuts,
    Law::Steward,
    Law::Behind,
    Law::MetThroughOthers,
    Law::NewEpoch,
    Law::Stock,
    Law::Term,
    Law::DeskVersion,
    Law::LateCopies,
    Law::ObeyAgain,
    Law::OrdersStand,
    Law::Fresh,
];

/// Laws whose breach needs a rare constellation have a story of their own.
fn story(law: Law) -> Option<fn()> {
    Some(match law {
        Law::Cut | Law::CutOnRevoke => {
            found::an_editor_that_keeps_another_grant_goes_on_after_one_was_revoked
        }
        Law::Expired => {
            ending::nobody_serves_under_a_grant_that_has_expired_also_where_its_publisher_is_away
        }
        Law::AskForLost => {
            ending::what_was_lost_and_may_be_had_again_is_asked_for_where_it_was_offered_before
        }
        Law::AskNoMore => ending::what_is_taken_and_granted_again_while_it_flows_is_sent_again,
        Law::AskTheRest => {
            session::what_its_author_may_not_bring_any_more_is_asked_of_the_others_at_once
        }
        Law::CompareAgain => found::what_both_believe_wrongly_is_believed_for_a_day_at_most,
        Law::Unknown => erasure::what_is_about_somebody_unknown_is_shown_to_nobody,
        Law::ObeyAgain => restored::what_had_to_be_erased_goes_again_when_an_older_copy_brings_it_back,
        Law::LateNotes => nodes::what_another_node_noted_about_a_forgotten_customer_goes_too,
        Law::Unanswered => found::what_grows_before_a_peer_said_what_it_lacks_settles_nothing,
        Law::ExpiryIsSaid => {
            ending::a_grant_that_expires_is_served_no_more_and_revoked_by_its_publisher
        }
        Law::CutContributors => {
            ending::what_was_written_after_a_right_to_contribute_ended_counts_nowhere
        }
        Law::LateCause => ending::a_cut_that_comes_before_what_it_is_for_counts_when_that_comes,
        Law::LaterNames => found::who_lost_its_grant_does_not_learn_who_came_later,
        Law::Grantee => found::an_org_that_is_known_only_as_an_editor_is_granted_nothing,
        Law::Doubt => cost::a_node_that_dies_in_the_middle_of_a_plan_makes_it_again,
        Law::Overgrown => rolls::what_is_mostly_overwritten_is_sent_anew_and_nothing_is_lost,
        Law::Turn => found::a_record_that_is_placed_again_is_seen_again,
        Law::Approval => found::what_was_passed_on_waits_for_the_approval_that_was_reserved,
        Law::LateErased => bundle::a_full_leaf_of_an_erased_record_is_stored_without_its_content,
        Law::Revocations => found::who_only_read_hears_that_it_has_ended,
        Law::Hearsay => statement::a_forged_cut_makes_nobody_pass_on_what_it_names,
        Law::Gone => session::a_log_that_may_not_be_had_is_said_to_be_gone,
        Law::Heads | Law::PutRight => {
            bundle::two_tales_at_one_place_of_a_log_are_noticed_though_neither_is_continued
        }
        Law::SaidFirst => found::what_is_shared_while_the_last_is_still_being_told_arrives_too,
        Law::Announce => found::who_is_admitted_later_hears_of_what_was_there_without_reconnecting,
        Law::FollowCustomer => found::what_is_about_a_customer_goes_when_the_customer_goes,
        Law::Remains | Law::Obey => {
            erasure::who_is_forgotten_is_forgotten_wherever_it_was_shown_with_what_was_taken_over
        }
        Law::WithdrawnIsForgotten => {
            erasure::a_consent_withdrawn_from_one_is_forgotten_there_and_moves_for_the_others
        }
        Law::TakenOutToo => erasure::a_copy_of_what_was_taken_out_goes_too_when_the_consent_ends,
        Law::OwnType => erasure::no_editor_lifts_the_consent_gate_by_calling_a_person_a_company,
        Law::Keep | Law::CopiesStay => {
            erasure::a_record_is_adopted_only_where_it_may_be_kept_and_stays_until_it_is_erased
        }
        Law::Moves | Law::Unseen => {
            moves::what_a_rule_selects_no_more_is_confirmed_by_whom_it_was_shown_to_and_told_of_nobody_else
        }
        Law::TooLate => moves::an_edit_that_comes_too_late_for_a_move_is_told,
        Law::Newcomers => moves::whoever_came_after_a_move_has_nothing_to_confirm,
        Law::MovesAreDone => {
            moves::what_is_sent_anew_is_confirmed_when_it_is_gone_and_nobody_is_told
        }
        Law::Pace => hostile::session::who_floods_a_node_is_closed_and_may_come_back_slower,
        Law::Logs => hostile::bundle::an_editor_begins_so_many_logs_and_no_more,
        Law::Past => audit::what_was_given_of_a_customer_stays_told_when_the_customer_is_gone,
        Law::Book | Law::Steward => {
            nodes::a_second_node_has_what_its_org_has_and_no_other_org_has_the_book
        }
        Law::OldRoots => nodes::a_root_key_that_was_handed_over_certifies_nobody,
        Law::EndedNodes => nodes::an_ended_node_is_not_let_in_and_its_work_is_written_anew,
        Law::CutOnEnd => nodes::what_an_ended_node_writes_later_does_not_count_whoever_brings_it,
        Law::OthersCertificates => {
            nodes::who_certifies_a_node_of_another_company_is_made_known_to_nobody_by_it
        }
        Law::OwnNodes => {
            nodes::who_certifies_and_ends_a_node_of_another_company_stops_nothing_of_it
        }
        Law::StockFirst => {
            restored::what_is_due_when_a_restored_node_has_met_all_waits_until_it_has_compared
        }
        Law::BelowCuts => {
            restored::what_an_editor_wrote_before_its_right_ended_comes_back_to_its_publisher
        }
        Law::StaysOut => {
            restored::what_was_taken_out_of_a_share_stays_out_when_an_older_copy_comes_back
        }
        Law::CameBack => {
            restored::a_consent_that_comes_back_from_a_share_covers_whom_it_was_shown_to
        }
        Law::ForgedOrders => restored::an_order_that_its_publisher_did_not_say_is_not_passed_on,
        Law::PairingGoesOn => found::a_pairing_goes_on_wherever_its_line_breaks,
        Law::OwnInvite => nodes::a_node_is_not_paired_with_by_another_of_its_company,
        Law::ForkCuts => nodes::where_a_log_that_was_forked_ends_the_next_main_node_says,
        Law::BothConsents => nodes::of_what_two_nodes_enter_about_a_consent_nothing_gets_lost,
        Law::Term => {
            crate::dossier::tests::of_two_retirements_the_higher_term_s_decides_what_counts
        }
        Law::Behind => nodes::a_restored_node_takes_back_what_it_had_said_and_forks_nothing,
        Law::MetThroughOthers => {
            statement::who_has_said_all_is_met_once_another_brings_what_that_waited_for
        }
        Law::NewEpoch => nodes::a_restored_node_that_goes_on_alone_forks_nothing,
        Law::Stock => nodes::losing_the_steward_does_not_stop_the_org,
        Law::DeskVersion => nodes::what_two_nodes_say_of_a_partner_is_the_later_word_on_both,
        Law::OrdersStand => nodes::a_restored_node_shows_nobody_what_it_had_ordered_to_erase,
        Law::LateCopies => nodes::what_another_node_took_over_goes_though_it_comes_after_the_answer,
        _ => return None,
    })
}

/// The first seed whose world notices that a law is broken, and as what.
fn noticed(law: Law, seeds: u64) -> Option<(u64, String)> {
    (0..seeds).find_map(|seed| {
        let played = without(law, || play(seed, MOST, &steps(seed, 40)));
        played.err().map(|failure| (seed, failure.what.chars().take(80).collect()))
    })
}

#[test]
fn every_law_that_is_switched_off_is_noticed() {
    let mut missed = Vec::new();
    for law in LAWS.iter().copied() {
        let seen = match story(law) {
            Some(story) => catch_unwind(|| without(law, story)).is_err(),
            None => noticed(law, SEEDS).is_some(),
        };
        if !seen {
            missed.push(law);
        }
    }
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}

/// The table of `docs/simulation.md`: in how many seeds the random worlds notice each law, whether
/// it has a story or not.
#[test]
#[ignore = "takes minutes and prints a table"]
fn how_many_seeds_each_law_takes() {
    for law in LAWS.iter().copied() {
        let by = if story(law).is_some() { "a story too" } else { "" };
        match noticed(law, number("ENTENTE_SEEDS", 1000)) {
            Some((seed, what)) => println!("| `{law:?}` | {} | {what} | {by} |", seed + 1),
            None => println!("| `{law:?}` | – | | {by} |"),
        }
    }
}

#[test]
fn a_planted_leak_is_found() {
    let mut sim = Sim::begin(7, Size { orgs: 4, ..MOST }).unwrap();
    let secret = super::model::Secret::Never { owner: 0, what: "planted" };
    let token = sim.model.token(secret);
    sim.world.frames.push((0, token.clone().into_bytes()));
    assert_eq!(sim.look(), Ok(()), "its owner may hold it");
    sim.world.frames.push((1, format!("frame with {token} in it").into_bytes()));
    assert!(sim.look().unwrap_err().starts_with("I8: org 1 received"));
    let mut batch = crate::store::Batch::default();
    batch.put(b"Z/planted".to_vec(), token.into_bytes());
    crate::store::Store::commit(&mut sim.world.orgs[1].disk, batch).unwrap();
    assert!(sim.look().unwrap_err().starts_with("I8: org 1 stored"));
}
