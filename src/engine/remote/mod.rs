//! Engines in other processes and on other machines.

mod connection;
pub mod host;

pub use connection::{Again, ByteStream, Connection, Connector, watch};
