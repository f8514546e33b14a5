//! Bytes to measure stores with.

/// Bytes of which about half are random: neither a compressor's dream nor its despair.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed ^ 0x5851_f42d_4c95_7f2d;
    let mut out = Vec::with_capacity(len + 16);
    while out.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        out.extend_from_slice(&state.to_be_bytes());
        out.extend_from_slice(b"some text");
    }
    out.truncate(len);
    out
}
