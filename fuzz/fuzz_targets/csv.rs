//! See `tests/targets`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: drop(std::panic::take_hook()),
    |data: &[u8]| entente_node::targets::csv(data)
);
