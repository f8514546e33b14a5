//! The tests that start the real binary: what it promises at its edges, and the story on real
//! processes. What needs no process is tested beside the code.
#![allow(
    clippy::disallowed_methods,
    reason = "only the protocol takes clock and files as arguments"
)]

mod process;
