//! Engines in other processes and on other machines.

mod connection;
pub mod host;

pub use connection::{Again, Connection, Connector, Wire, watch};
