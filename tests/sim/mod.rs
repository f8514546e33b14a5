//! Simulation: whole orgs in one process, on a seed.

mod story;
