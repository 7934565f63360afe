//! The sandbox, layer by layer: forbidden system calls from inside of it, layers
//! taken away, users and containers that cannot have all of it.

mod layers;
mod probes;
mod users;
