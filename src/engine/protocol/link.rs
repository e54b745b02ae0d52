//! A watcher's end of the engine.

use super::command::Command;
use super::event::Event;
use super::snapshot::Snapshot;
use crate::error::{Error, Result};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// One watcher's connection: commands in, events and snapshots out. Dropping it leaves the run alone.
#[derive(Debug)]
pub struct Link {
    commands: mpsc::UnboundedSender<Command>,
    events: mpsc::UnboundedReceiver<Event>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Link {
    pub(in crate::engine) fn new(
        commands: mpsc::UnboundedSender<Command>,
        events: mpsc::UnboundedReceiver<Event>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        Self { commands, events, snapshots }
    }

    /// Sends a command; it is carried out within one step.
    ///
    /// # Errors
    /// [`Error::EngineGone`] if the engine has ended.
    pub fn send(&self, command: Command) -> Result<()> {
        self.commands.send(command).map_err(|_| Error::EngineGone)
    }

    /// Events that wait to be taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.events.len()
    }

    /// Waits for the next event; `None` once the engine has ended. Events are never lost or reordered.
    pub async fn event(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Waits until there is a newer snapshot than the last one seen; `false` once the engine has ended.
    pub async fn changed(&mut self) -> bool {
        self.snapshots.changed().await.is_ok()
    }

    /// Waits for the next event or newer snapshot, whichever comes first.
    pub async fn next(&mut self) -> Option<Update> {
        tokio::select! {
            biased;
            event = self.events.recv() => event.map(|e| Update::Event(Box::new(e))),
            changed = self.snapshots.changed() => changed.ok().map(|()| Update::Snapshot),
        }
    }

    /// The newest snapshot.
    pub fn snapshot(&mut self) -> Arc<Snapshot> {
        self.snapshots.borrow_and_update().clone()
    }
}

/// What [`Link::next`] saw.
#[derive(Debug)]
pub enum Update {
    /// Something happened.
    Event(Box<Event>),
    /// There is a newer snapshot.
    Snapshot,
}
