//! Whom to dial and when, and which of two connections with one peer stays.
//! Pure: time and jitter are arguments. Knows keys and addresses, opens nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use libp2p::Multiaddr;
use tokio::time::Instant;

use super::PeerKey;

/// The pause before the first retry; it doubles with every failure.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(500);

/// The longest pause before jitter, which adds up to a quarter: never more than ten seconds.
pub const BACKOFF_LAST: Duration = Duration::from_secs(8);

const BACKOFF_DOUBLINGS: u32 = 4;

/// The pause after `failures` failed attempts in a row. `jitter` is any random number.
pub fn backoff(failures: u32, jitter: u8) -> Duration {
    let pause = (BACKOFF_FIRST * 2_u32.pow(failures.min(BACKOFF_DOUBLINGS))).min(BACKOFF_LAST);
    pause + pause * u32::from(jitter) / (4 * u32::from(u8::MAX))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    DueAt(Instant),
    UnderWay,
    Connected,
}

#[derive(Debug)]
struct Wish {
    addresses: Vec<Multiaddr>,
    failures: u32,
    attempt: Attempt,
}

/// The peers this node wants to be connected with.
#[derive(Debug, Default)]
pub struct Wanted {
    wishes: BTreeMap<PeerKey, Wish>,
}

impl Wanted {
    /// Wants `peer` from now on, at these addresses. Returns whether it was not wanted before.
    /// New addresses of a peer that is not connected are tried at once.
    pub fn want(
        &mut self,
        peer: PeerKey,
        addresses: Vec<Multiaddr>,
        connected: bool,
        now: Instant,
    ) -> bool {
        if let Some(wish) = self.wishes.get_mut(&peer) {
            let known: BTreeSet<_> = wish.addresses.iter().collect();
            if known != addresses.iter().collect() {
                wish.addresses = addresses;
                if let Attempt::DueAt(_) = wish.attempt {
                    wish.attempt = Attempt::DueAt(now);
                }
            }
            return false;
        }
        let attempt = if connected { Attempt::Connected } else { Attempt::DueAt(now) };
        self.wishes.insert(peer, Wish { addresses, failures: 0, attempt });
        true
    }

    /// Stops wanting `peer`.
    pub fn forget(&mut self, peer: &PeerKey) {
        self.wishes.remove(peer);
    }

    /// When the next attempt is due. A peer without addresses is only waited for.
    pub fn next_due(&self) -> Option<Instant> {
        self.wishes.values().filter(|wish| !wish.addresses.is_empty()).filter_map(Wish::due).min()
    }

    /// Takes the attempts that are due at `now`: each peer with its addresses in the order to try.
    pub fn take_due(&mut self, now: Instant) -> Vec<(PeerKey, Vec<Multiaddr>)> {
        let mut due = Vec::new();
        for (peer, wish) in &mut self.wishes {
            if !wish.addresses.is_empty() && wish.due().is_some_and(|at| at <= now) {
                wish.attempt = Attempt::UnderWay;
                due.push((*peer, wish.addresses.clone()));
            }
        }
        due
    }

    /// A session with `peer` opened; `dialed` is the address that led there, to be tried first
    /// the next time.
    pub fn on_open(&mut self, peer: &PeerKey, dialed: Option<&Multiaddr>) {
        let Some(wish) = self.wishes.get_mut(peer) else { return };
        wish.attempt = Attempt::Connected;
        if let Some(at) = dialed.and_then(|good| wish.addresses.iter().position(|a| a == good)) {
            wish.addresses[..=at].rotate_right(1);
        }
    }

    /// Another key answered at `address`: it is tried last from now on.
    pub fn on_wrong_key(&mut self, peer: &PeerKey, address: &Multiaddr) {
        let Some(wish) = self.wishes.get_mut(peer) else { return };
        if let Some(at) = wish.addresses.iter().position(|a| a == address) {
            wish.addresses[at..].rotate_left(1);
        }
    }

    /// `peer` was admitted: its next loss is retried after the shortest pause.
    pub fn on_admitted(&mut self, peer: &PeerKey) {
        if let Some(wish) = self.wishes.get_mut(peer) {
            wish.failures = 0;
        }
    }

    /// The session with `peer` ended, or an attempt failed: retries after a pause.
    pub fn on_loss(&mut self, peer: &PeerKey, now: Instant, jitter: u8) {
        let Some(wish) = self.wishes.get_mut(peer) else { return };
        wish.attempt = Attempt::DueAt(now + backoff(wish.failures, jitter));
        wish.failures = wish.failures.saturating_add(1);
    }
}

impl Wish {
    fn due(&self) -> Option<Instant> {
        match self.attempt {
            Attempt::DueAt(at) => Some(at),
            Attempt::UnderWay | Attempt::Connected => None,
        }
    }
}

/// What becomes of a second connection with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It takes the place of the first at once.
    Replace,
    /// It is closed: this node dialed it and knows that the other end prefers the first as well.
    Close,
    /// It waits. The other end dialed it: either it has both and will close this one, or it has
    /// lost the first, which then goes when the wait is over.
    Wait,
}

/// Decides between the session that stands and a new connection with the same peer.
/// Of two that were dialed from both ends at once the one of the smaller key stays, and both ends
/// say so; of two dialed from the same end the newer, as nobody dials whom he still has.
pub fn verdict(own: &PeerKey, peer: &PeerKey, old_is_own: bool, new_is_own: bool) -> Verdict {
    let smaller_is_own = own < peer;
    if old_is_own == new_is_own || new_is_own == smaller_is_own {
        Verdict::Replace
    } else if new_is_own {
        Verdict::Close
    } else {
        Verdict::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PeerKey = [1; 32];
    const B: PeerKey = [2; 32];

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/127.0.0.1/tcp/{port}").parse().expect("an address")
    }

    #[test]
    fn pauses_double_from_half_a_second_and_stay_within_ten() {
        let pauses: Vec<_> = (0..7).map(|n| backoff(n, 0).as_millis()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(backoff(0, u8::MAX), Duration::from_millis(625));
        assert_eq!(backoff(u32::MAX, u8::MAX), Duration::from_secs(10));
    }

    #[test]
    fn a_wanted_peer_is_tried_at_once_then_after_pauses_until_forgotten() {
        let now = Instant::now();
        let mut wanted = Wanted::default();
        assert!(wanted.want(A, vec![address(1)], false, now));
        assert_eq!(wanted.take_due(now), [(A, vec![address(1)])]);
        assert_eq!(wanted.next_due(), None);
        wanted.on_loss(&A, now, 0);
        assert_eq!(wanted.next_due(), Some(now + BACKOFF_FIRST));
        assert_eq!(wanted.take_due(now), []);
        wanted.on_loss(&A, now, 0);
        assert_eq!(wanted.next_due(), Some(now + BACKOFF_FIRST * 2));
        wanted.on_admitted(&A);
        wanted.on_loss(&A, now, 0);
        assert_eq!(wanted.next_due(), Some(now + BACKOFF_FIRST));
        wanted.forget(&A);
        assert_eq!(wanted.next_due(), None);
    }

    #[test]
    fn to_dial_a_connected_peer_again_changes_nothing() {
        let now = Instant::now();
        let mut wanted = Wanted::default();
        wanted.want(A, vec![address(1)], true, now);
        assert!(!wanted.want(A, vec![address(2)], true, now));
        assert_eq!(wanted.next_due(), None);
        wanted.on_loss(&A, now, 0);
        assert_eq!(wanted.take_due(now + BACKOFF_FIRST), [(A, vec![address(2)])]);
    }

    #[test]
    fn the_address_that_answered_comes_first_and_the_others_keep_their_order() {
        let now = Instant::now();
        let mut wanted = Wanted::default();
        wanted.want(A, vec![address(1), address(2), address(3)], false, now);
        wanted.on_open(&A, Some(&address(3)));
        assert!(!wanted.want(A, vec![address(1), address(2), address(3)], true, now));
        wanted.on_loss(&A, now, 0);
        let order = vec![address(3), address(1), address(2)];
        assert_eq!(wanted.take_due(now + BACKOFF_FIRST), [(A, order)]);
    }

    #[test]
    fn both_ends_keep_the_same_one_of_two_connections() {
        // (who dialed the old one, who dialed the new one, verdict at A, verdict at B)
        let table = [
            (A, A, Verdict::Replace, Verdict::Replace),
            (B, B, Verdict::Replace, Verdict::Replace),
            (A, B, Verdict::Wait, Verdict::Close),
            (B, A, Verdict::Replace, Verdict::Replace),
        ];
        for (old, new, at_a, at_b) in table {
            assert_eq!(verdict(&A, &B, old == A, new == A), at_a);
            assert_eq!(verdict(&B, &A, old == B, new == B), at_b);
        }
    }
}
