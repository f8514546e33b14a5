//! Hybrid logical time (Kulkarni et al. 2014): milliseconds since 1970 and a counter.
//! Reads no clock; the caller says what time it is.

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

/// Milliseconds since 1970-01-01T00:00:00Z, as the caller's clock says.
pub type Millis = u64;

/// How far ahead of one's own clock a foreign time may be and still be merged into it, in ms.
pub const MAX_DRIFT_MS: Millis = 10 * 60 * 1000;

/// A point in hybrid logical time: 48 bits of milliseconds, 16 bits of counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The wall-clock part.
    pub fn millis(self) -> Millis {
        self.0 >> 16
    }

    /// The next time after `self`, not before the wall clock `now`.
    #[must_use]
    pub fn tick(self, now: Millis) -> Self {
        Self((self.0 + 1).max(now << 16))
    }

    /// `self` moved up to a time that was seen, unless that is too far ahead of the wall clock.
    #[must_use]
    pub fn observe(self, seen: Self, now: Millis) -> Self {
        if seen.millis() > now.saturating_add(MAX_DRIFT_MS) { self } else { self.max(seen) }
    }
}

impl<C> Encode<C> for Hlc {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.u64(self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Hlc {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Ok(Self(d.u64()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_back_and_foreign_futures_are_not_believed() {
        let t = Hlc::default().tick(1000);
        assert!(t.tick(5) > t, "a clock set back does not turn time back");
        assert_eq!(t.observe(Hlc(2000 << 16), 1000), Hlc(2000 << 16));
        let mad = Hlc((1000 + MAX_DRIFT_MS + 1) << 16);
        assert_eq!(t.observe(mad, 1000), t);
    }
}
