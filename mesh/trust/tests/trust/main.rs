//! The promises of the crate, by subject.

mod authority;
mod certificate;
mod fixture;
mod fuzz;
mod genesis;
mod golden;
mod key;
mod release;
mod tamper;
mod ticket;
