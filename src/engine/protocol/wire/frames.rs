//! Frames as bytes.

use super::messages::broken;
use crate::error::{Error, Result};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Whoever reads nothing for so long is gone.
const UNREAD: Duration = Duration::from_secs(60);

/// Frames as they come in. Waiting for the next one may be given up and taken up again: nothing that came is lost.
#[derive(Debug)]
pub struct Frames<R> {
    from: R,
    came: Vec<u8>,
    most: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// Frames of at most `most` bytes.
    pub fn new(from: R, most: usize) -> Self {
        Self { from, came: vec![], most }
    }

    /// The next frame's body; `None` at the end.
    ///
    /// # Errors
    /// If the frame is larger than allowed, or the line breaks inside it.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            if let Some((length, rest)) = self.came.split_first_chunk::<4>() {
                let length = u32::from_le_bytes(*length) as usize;
                if length > self.most {
                    return Err(broken(format!("a frame of {length} bytes where {} are the most", self.most)));
                }
                if rest.len() >= length {
                    let body = rest[..length].to_vec();
                    self.came.drain(..4 + length);
                    return Ok(Some(body));
                }
            }
            // Memory grows with what arrives, not with what is promised.
            let read = self.from.read_buf(&mut self.came).await;
            match read.map_err(|e| Error::Peer(format!("is gone: {e}")))? {
                0 if self.came.is_empty() => return Ok(None),
                0 => return Err(Error::Peer("is gone in the middle of a message".into())),
                _ => {}
            }
        }
    }
}

/// Writes a frame.
///
/// # Errors
/// If the other end is gone.
pub async fn write(to: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> Result<()> {
    let written = async {
        to.write_all(frame).await?;
        to.flush().await
    };
    let written = tokio::time::timeout(UNREAD, written).await;
    written.unwrap_or(Err(std::io::ErrorKind::TimedOut.into())).map_err(|e| Error::Peer(format!("is gone: {e}")))
}
