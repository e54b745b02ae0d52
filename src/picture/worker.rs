//! The thread that encodes pictures, so that drawing never waits for it.

use super::encode::{EncodeTask, Encoded, Encoder};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};

/// An encoder for each slot.
type Encoders = BTreeMap<&'static str, Encoder>;

/// What encodes.
pub(super) enum EncoderWorker {
    /// A thread.
    Thread { requests: Sender<Request>, done: Receiver<(&'static str, Encoded)> },
    /// The caller, on the spot: for tests of the drawn screen.
    Inline(Encoders),
}

pub(super) enum Request {
    Encode(Box<EncodeTask>),
    /// What is remembered of a slot's pictures is of no use any more.
    Forget(&'static str),
}

impl EncoderWorker {
    /// A thread, if the system has one; `wake` is called from it whenever a picture has been encoded.
    pub fn thread(wake: impl Fn() + Send + 'static) -> Self {
        let (requests, queue) = channel::<Request>();
        let (finished, done) = channel();
        let spawned = std::thread::Builder::new().name("gradlens-pictures".into()).spawn(move || {
            let mut encoders = Encoders::new();
            for request in queue {
                match request {
                    Request::Encode(task) => {
                        let encoded = encoders.entry(task.slot).or_default().encode(&task);
                        if finished.send((task.slot, encoded)).is_err() {
                            return;
                        }
                        wake();
                    }
                    Request::Forget(slot) => drop(encoders.remove(slot)),
                }
            }
        });
        if spawned.is_ok() { Self::Thread { requests, done } } else { Self::inline() }
    }

    /// Everything is encoded on the spot.
    pub fn inline() -> Self {
        Self::Inline(Encoders::new())
    }

    pub fn is_inline(&self) -> bool {
        matches!(self, Self::Inline(_))
    }

    /// Has a picture encoded; the answer is what came of it, if that is known at once.
    pub fn encode(&mut self, task: EncodeTask) -> Option<Encoded> {
        match self {
            Self::Thread { requests, .. } => {
                // The thread ends with this end of the channel.
                let _ = requests.send(Request::Encode(Box::new(task)));
                None
            }
            Self::Inline(encoders) => Some(encoders.entry(task.slot).or_default().encode(&task)),
        }
    }

    /// What has been encoded since the last call, by slot.
    pub fn finished(&self) -> Vec<(&'static str, Encoded)> {
        match self {
            Self::Thread { done, .. } => done.try_iter().collect(),
            Self::Inline(_) => vec![],
        }
    }

    /// A slot is gone.
    pub fn forget(&mut self, slot: &'static str) {
        match self {
            Self::Thread { requests, .. } => drop(requests.send(Request::Forget(slot))),
            Self::Inline(encoders) => drop(encoders.remove(slot)),
        }
    }
}
