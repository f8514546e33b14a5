//! What a company has entered of its customers' consents, against what stands in its book: who may be
//! shown a person by both.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::value::Value;
use crate::world::World;

use super::model::Model;

/// One entry of a customer's consent.
#[derive(Debug, Clone)]
pub struct Consent {
    /// Its time, by which it is known again.
    pub at: String,
    pub given: bool,
    /// For one share's purpose; none for every purpose.
    pub share: Option<usize>,
    /// For these orgs; none for all.
    pub only: Option<BTreeSet<usize>>,
}

impl Consent {
    fn written(model: &Model, world: &World, entry: &Json) -> Self {
        let named =
            |text: &Json| (0..world.orgs.len()).find(|org| *text == world.id(*org).to_string());
        let scope = entry["scope"].as_array();
        Self {
            at: entry["at"].as_str().expect("a time").to_owned(),
            given: entry["status"] == "given",
            share: model.shares.iter().position(|share| entry["purpose"] == share.purpose),
            only: scope.map(|orgs| orgs.iter().filter_map(named).collect()),
        }
    }

    fn covers(&self, model: &Model, share: usize, org: usize) -> bool {
        self.share.is_none_or(|at| model.shares[at].purpose == model.shares[share].purpose)
            && self.only.as_ref().is_none_or(|only| only.contains(&org))
    }
}

/// A customer, by what the node that decides has of it.
#[derive(Debug)]
pub struct Person {
    gone: bool,
    company: bool,
    /// Oldest first: as it was entered, and as it is written now. A store that went back holds
    /// narrower ones, and withdrawals that nobody entered.
    words: Vec<[Consent; 2]>,
}

impl Person {
    pub fn of(model: &Model, world: &World, share: usize, customer: usize) -> Self {
        let (record, book) = (&model.records[customer], model.book(world, share, customer));
        let entries: Vec<Json> = match book.get("consent") {
            Some(Value::Json(text)) => serde_json::from_str(text).expect("a list"),
            Some(_) | None => Vec::new(),
        };
        let word = |entry: &Json| {
            let written = Consent::written(model, world, entry);
            let entered = record.consents.iter().find(|known| known.at == written.at).cloned();
            let nobody = (!written.given).then(|| written.clone());
            Some([entered.or(nobody)?, written])
        };
        let mut words: Vec<[Consent; 2]> = entries.iter().filter_map(word).collect();
        words.sort_by(|one, other| one[0].at.cmp(&other[0].at));
        let company = record.company && book.get("type") == Some(&Value::Str("company".into()));
        Self { gone: record.deleted, company, words }
    }

    /// How many words on its consent stand.
    pub fn words(&self) -> usize {
        self.words.len()
    }

    /// Whether it may be shown to an org for a share's purpose: the last word counts.
    pub fn consents(&self, model: &Model, share: usize, org: usize) -> bool {
        let covers = |word: &&[Consent; 2]| word.iter().all(|word| word.covers(model, share, org));
        let last = self.words.iter().rev().find(covers);
        let given = last.is_some_and(|word| word.iter().all(|word| word.given));
        !self.gone && (self.company || given)
    }
}
