//! orbweave-simnet
