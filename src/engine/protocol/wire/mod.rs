//! What goes over a socket between a watcher and an engine: frames of JSON with pictures and maps behind it.
//!
//! A frame is its length (four bytes, little-endian), the length of its JSON, the JSON, and blobs whose lengths the JSON
//! tells. Over a long line JSON is deflated and pictures are JPEGs; beside each other both ends share memory enough to
//! send them as they are. Snapshots carry only what the last one did not: new points of curves, and pictures that the
//! other end does not have. A model, with its labels, goes over the line once.

mod frames;
mod messages;
mod packing;

pub use frames::{Frames, write};
pub use messages::{FROM_ENGINE, FROM_WATCHER, PROTOCOL, ToEngine, ToWatcher, frame, parse};
pub use packing::{Packer, Unpacker};
