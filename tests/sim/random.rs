//! Random worlds on seeds, watched by the oracle after every frame; what fails is made small.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::id::LogId;
use crate::sync::PATIENCE_MS;
use crate::vocabulary::Kind;
use crate::world::{Crash, Dice, World};

use super::check::Memory;
use super::listener::Listener;
use super::model::{Model, Secret};
use super::oracle::Oracle;
use super::settled::{check_same, check_settled};
use super::steps::{Step, Verb};
use super::villain::Hoarded;

/// How every world begins, so that there is something to share.
const BEGIN: [Verb; 16] = [
    Verb::Contribute,
    Verb::Create,
    Verb::Create,
    Verb::Create,
    Verb::Create,
    Verb::Create,
    Verb::Create,
    Verb::Grant,
    Verb::Grant,
    Verb::Wait,
    Verb::Place,
    Verb::Place,
    Verb::Place,
    Verb::Grant,
    Verb::Grant,
    Verb::PassOn,
];

/// Frames within which a world must come to rest.
const REST: usize = 30_000;

/// Orgs in a world; few more often than many, which take longer.
const SIZES: [usize; 12] = [2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 5, 6];

/// How large a world may be.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// The most orgs.
    pub orgs: usize,
    /// Whether some of them have two nodes.
    pub twins: bool,
}

/// What most worlds are like.
pub const MOST: Size = Size { orgs: 6, twins: false };

/// A world, what is known to have happened in it, and who watches.
pub struct Sim {
    pub world: World,
    /// How many orgs there are: their first nodes have the lowest numbers.
    pub orgs: usize,
    /// By org, the node that is worked on in this step.
    pub at: Vec<usize>,
    pub model: Model,
    pub oracle: Oracle,
    /// Reading everything at every step is dear: only in some worlds.
    listener: Option<Listener>,
    pub dice: Dice,
    /// How the node that acts next dies.
    pub crash: Option<Crash>,
    pub log: Vec<String>,
    /// The kinds of record in this world; few, so that they meet.
    pub kinds: Vec<Kind>,
    /// What hostile orgs keep for later.
    pub hoard: Vec<Hoarded>,
    /// Logs of theirs that somebody was sent while they had a right to write them.
    pub given_out: BTreeSet<LogId>,
    /// The frames with which orgs were paired, and who let them in.
    pub invited: Vec<(usize, Vec<u8>)>,
}

/// How a world ended.
#[derive(Debug)]
pub struct Failure {
    pub what: String,
    log: Vec<String>,
}

impl Sim {
    /// Orgs that know each other along a tree, and one share.
    pub fn begin(seed: u64, most: Size) -> Result<Self, String> {
        let mut dice = Dice::new(seed);
        let mut model = Model::default();
        let orgs = SIZES[dice.below(SIZES.len())].min(most.orgs);
        let names: Vec<String> = (0..orgs)
            .map(|org| format!("Org{org} {}", model.token(Secret::Name { org })))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut world = World::new(dice.below(1 << 40) as u64, &names);
        for org in &mut world.orgs {
            org.skew_ms = dice.below(3_600_000) as i64 - 1_800_000;
        }
        // One world in three has a hostile org, every tenth two; most open no share.
        let villains = [0, 0, 0, 0, 0, 0, 0, 1, 1, 2][dice.below(10)].min(orgs.saturating_sub(2));
        while model.hostile.len() < villains {
            let from = usize::from(dice.chance(80));
            model.hostile.insert(from + dice.below(orgs - from));
        }
        let (oracle, crash, log) = (Oracle::default(), None, Vec::new());
        let listener = seed.is_multiple_of(8).then(Listener::default);
        let (hoard, given_out, invited) = (Vec::new(), BTreeSet::new(), Vec::new());
        let kinds = match dice.below(6) {
            0 => vec![Kind::Event],
            1 => vec![Kind::Event, Kind::Customer],
            2 | 3 => vec![Kind::Customer],
            4 => vec![Kind::Customer, Kind::Customer, Kind::Participation],
            _ => vec![Kind::Customer, Kind::Interaction, Kind::Followup],
        };
        let mut sim = Self {
            world,
            orgs,
            at: Vec::new(),
            model,
            oracle,
            listener,
            dice,
            crash,
            log,
            kinds,
            hoard,
            given_out,
            invited,
        };
        for newcomer in 1..orgs {
            let inviter = sim.dice.below(newcomer);
            sim.model.paired.insert((inviter, newcomer));
            sim.world.pair(inviter, newcomer);
            if newcomer > 1 && sim.dice.chance(30) {
                let second = (inviter + 1) % newcomer;
                sim.model.paired.insert((second, newcomer));
                sim.world.pair(second, newcomer);
            }
        }
        if most.twins {
            sim.join_twins();
        }
        sim.open_share(0)?;
        sim.keep_invites();
        sim.log.push(format!("  hostile: {:?}", sim.model.hostile));
        sim.look()?;
        sim.world.doubled_in_100 = 2;
        sim.world.lost_in_1000 = [0, 3, 30][sim.dice.below(3)];
        Ok(sim)
    }

    pub fn look(&mut self) -> Result<(), String> {
        self.oracle.look(&mut self.world, &mut self.model)
    }

    fn listen(&mut self) -> Result<(), String> {
        match &mut self.listener {
            Some(listener) => listener.check(&mut self.world),
            None => Ok(()),
        }
    }

    /// Opens a node that was killed; it must remember what it knew.
    pub fn restart(&mut self, org: usize, before: Option<Memory>) -> Result<(), String> {
        self.world.kill(org);
        self.world.open(org);
        let after = Memory::of(self.world.replica(org));
        if let Some(what) = before.as_ref().and_then(|before| before.differs(&after)) {
            return Err(format!("I5: org {org} lost {what}"));
        }
        let said = self.world.replica(org).statements.len();
        // What has ended while the node was down it may say.
        let due = self.world.replica(org).deadlines.is_due(self.world.clock(org));
        self.world.announce(org);
        if !due && self.world.replica(org).statements.len() != said {
            return Err(format!("I5: org {org} has more to say after a restart"));
        }
        Ok(())
    }

    pub fn take(&mut self, step: Step) -> Result<(), String> {
        self.dice = Dice::new(step.dice);
        self.world.dice = Dice::new(step.dice + 1);
        self.log.push(format!("{:?} {}", step.verb, step.dice));
        for org in 0..self.world.orgs.len() {
            if !self.world.is_up(org) && self.dice.chance(35) {
                self.restart(org, None)?;
            }
        }
        self.step(step.verb)?;
        self.look()?;
        if self.dice.chance(15) {
            return Ok(());
        }
        let most = if step.verb == Verb::Wait { 600 } else { 60 };
        for _ in 0..self.dice.below(most) {
            self.world.dial();
            let crash = match self.dice.below(300) {
                0 => Some(Crash::BeforeFlush),
                1 => Some(Crash::BeforeEffects),
                _ => None,
            };
            if !self.world.deliver(crash) {
                break;
            }
            self.look()?;
        }
        Ok(())
    }

    /// Lets everybody meet everybody until nothing more is said.
    pub fn settle(&mut self) -> Result<(), String> {
        self.world.cut.clear();
        self.world.doubled_in_100 = 0;
        self.world.lost_in_1000 = 0;
        self.world.notice_broken(None);
        self.world.close_raw();
        self.reconnect_the_hostile();
        for org in 0..self.world.orgs.len() {
            if !self.world.is_up(org) {
                self.restart(org, None)?;
            }
        }
        // By now what ends soon has ended by everybody's clock.
        self.world.now += 2 * 3_600_000;
        self.tick()?;
        self.rest_without_the_hostile()?;
        while self.go_on()? {
            self.rest_without_the_hostile()?;
        }
        Ok(())
    }

    /// Rests, and again while somebody who asked a hostile org in vain loses patience and asks another.
    fn rest_without_the_hostile(&mut self) -> Result<(), String> {
        self.rest()?;
        for _ in 0..self.world.orgs.len() {
            if self.asks_in_vain() {
                self.world.now += PATIENCE_MS;
                self.tick()?;
                self.rest()?;
            }
        }
        Ok(())
    }

    /// Delivers whatever is under way, and what comes of it.
    fn rest(&mut self) -> Result<(), String> {
        for _ in 0..REST {
            self.world.dial();
            if !self.world.deliver_one() {
                self.world.dial();
                if !self.world.deliver_one() {
                    return self.look();
                }
            }
            self.look()?;
        }
        Err("the world does not come to rest".to_owned())
    }

    /// Whoever waits for nobody but hostile orgs is told to go on; whether there was one.
    fn go_on(&mut self) -> Result<bool, String> {
        let hostile: Vec<_> = self.model.hostile.iter().map(|org| self.world.id(*org)).collect();
        let waits = |node: &usize| {
            let unmet = self.world.replica(*node).has_to_meet();
            !unmet.is_empty() && unmet.iter().all(|org| hostile.contains(org))
        };
        let nodes = 0..self.world.orgs.len();
        let waiting: Vec<usize> =
            nodes.filter(|node| !self.is_hostile(*node)).filter(waits).collect();
        for node in waiting.iter().copied() {
            self.log.push(format!("  node {node} goes on without {hostile:?}"));
            self.act_at(node, |r| r.go_on())?;
        }
        Ok(!waiting.is_empty())
    }

    /// What hostile orgs have made others believe about their own sessions ends with those.
    fn reconnect_the_hostile(&mut self) {
        let count = self.world.orgs.len();
        let pairs = (0..count).flat_map(|node| (0..count).map(move |other| (node, other)));
        for (node, other) in pairs {
            if self.is_hostile(node) {
                self.world.disconnect(node, other);
            }
        }
    }

    fn run(&mut self, steps: &[Step]) -> Result<(), String> {
        for step in steps {
            self.take(*step)?;
            self.listen()?;
            if step.verb == Verb::Wait {
                check_same(self)?;
            }
        }
        self.settle()?;
        self.listen()?;
        check_settled(self).map_err(|what| format!("settled: {what}"))?;
        for org in 0..self.world.orgs.len() {
            let memory = Memory::of(self.world.replica(org));
            self.restart(org, Some(memory))?;
        }
        self.settle()?;
        check_settled(self).map_err(|what| format!("settled again: {what}"))?;
        if self.world.orgs.len() > self.orgs { self.change_nodes(steps) } else { Ok(()) }
    }
}

/// The steps of a seed.
pub fn steps(seed: u64, count: usize) -> Vec<Step> {
    let mut dice = Dice::new(seed ^ 0x5eed);
    let began: Vec<Step> = BEGIN.iter().map(|verb| Step::of(*verb, &mut dice)).collect();
    let rest = (0..count).map(|_| Step::random(&mut dice));
    began.into_iter().chain(rest).collect()
}

/// Plays steps; the hash of everything sent, or what went wrong.
pub fn play(seed: u64, most: Size, steps: &[Step]) -> Result<blake3::Hash, Failure> {
    let mut kept = None;
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let sim = kept.insert(Sim::begin(seed, most)?);
        sim.run(steps)?;
        Ok(sim.world.trace.finalize())
    }));
    let log = kept.map(|sim| sim.log).unwrap_or_default();
    if number("ENTENTE_SHOW", 0) > 0 {
        println!("{}", log.join("\n"));
    }
    match ended {
        Ok(Ok(hash)) => Ok(hash),
        Ok(Err(what)) => Err(Failure { what, log }),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned()));
            Err(Failure { what: format!("panic: {}", text.unwrap_or_default()), log })
        }
    }
}

/// Leaves out steps while the same promise is still broken.
fn shrink(seed: u64, most: Size, steps: &[Step], failure: Failure) -> (Vec<Step>, Failure) {
    let (mut steps, mut failure) = (steps.to_vec(), failure);
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            match play(seed, most, &fewer) {
                Err(again) if way(&again.what) == way(&failure.what) => {
                    (steps, failure) = (fewer, again);
                }
                Ok(_) | Err(_) => at += size,
            }
        }
        size /= 2;
    }
    (steps, failure)
}

/// A number from the environment.
pub fn number(name: &str, default: u64) -> u64 {
    #[allow(clippy::disallowed_methods, reason = "a test may be told how long to run")]
    let value = std::env::var(name);
    value.ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Plays seeds; shows each way in which one fails once, with the fewest steps that still fail.
fn worlds(first: u64, count: u64, most: Size, length: usize) {
    let mut found: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for seed in first..first + count {
        let steps = steps(seed, length);
        let Err(failure) = play(seed, most, &steps) else { continue };
        let way = way(&failure.what);
        if let Some((seeds, _)) = found.get_mut(&way) {
            *seeds += 1;
            continue;
        }
        let (steps, failure) = shrink(seed, most, &steps, failure);
        let log = failure.log.join("\n");
        let shown = format!("seed {seed}: {}\n{log}\nsteps: {steps:?}", failure.what);
        found.insert(way, (1, shown));
        if found.len() as u64 >= number("ENTENTE_WAYS", 1) {
            break;
        }
    }
    let shown: Vec<String> =
        found.into_values().map(|(seeds, shown)| format!("{seeds} seeds, as {shown}")).collect();
    assert!(shown.is_empty(), "{most:?}, {length} steps:\n{}", shown.join("\n\n"));
}

/// The beginning of a failure, without what differs from seed to seed.
fn way(what: &str) -> String {
    what.chars().filter(|c| !c.is_ascii_digit()).take(48).collect()
}

#[test]
fn no_promise_breaks_in_random_worlds() {
    worlds(number("ENTENTE_FIRST", 0), number("ENTENTE_SEEDS", 256), MOST, 40);
}

#[test]
fn no_promise_breaks_where_companies_have_two_nodes_and_stores_go_back_in_time() {
    let size = Size { twins: true, ..MOST };
    worlds(number("ENTENTE_FIRST", 0), number("ENTENTE_SEEDS", 48), size, 40);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..4 {
        let steps = steps(seed, 40);
        let hash = || play(seed, MOST, &steps).map_err(|failure| failure.what);
        assert_eq!(hash(), hash());
    }
}
