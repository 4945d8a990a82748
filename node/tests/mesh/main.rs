//! Real nodes: processes of the `orbweave` binary on loopback, asked and disturbed from
//! outside. What is claimed of the mesh is shown here on the mesh.

mod cli;
mod disk;
mod drain;
mod failover;
mod http;
mod kills;
mod lan;
mod limits;
mod refusals;
mod restart;
mod rollouts;
mod routes;
mod support;
mod why;
mod wire;
mod zones;
