//! Simulation: whole orgs in one process, on a seed.

mod audit;
mod check;
mod cost;
mod damage;
mod ending;
mod erasure;
mod found;
mod listener;
mod model;
mod moves;
mod mutations;
mod oracle;
mod random;
mod refusals;
mod restored;
mod persons;
mod records;
mod rolls;
mod settled;
mod steps;
mod hostile;
mod nodes;
mod story;
mod told;
mod twins;
mod villain;
