//! The way to another machine: the person's own ssh.

use super::args::SshArgs;
use crate::engine::remote::{Connection, Connector};
use crate::error::{Error, Result};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How the other machine is reached.
#[derive(Debug, Clone)]
pub(super) struct Way {
    host: String,
    program: String,
    device: Option<String>,
    threads: Option<u16>,
    /// Words that name the run over there that is to be shown.
    run: Vec<String>,
    /// The last thing ssh said.
    said: Arc<Mutex<String>>,
}

impl Way {
    /// The way that was typed.
    ///
    /// # Errors
    /// If the host could be taken for an option of ssh.
    pub fn new(args: &SshArgs) -> Result<Self> {
        if args.host.starts_with('-') {
            return Err(Error::bad_value("HOST", &args.host, "it takes a host as ssh does"));
        }
        Ok(Self {
            host: args.host.clone(),
            program: args.program.clone(),
            device: args.dashboard.what.how.on.device.clone(),
            threads: args.dashboard.what.how.on.threads,
            run: match &args.attach {
                Some(run) => std::iter::once("--run".to_owned()).chain(run.clone()).collect(),
                None => vec![],
            },
            said: Arc::default(),
        })
    }

    /// A connection to a new engine, or to the one behind a door.
    ///
    /// # Errors
    /// If ssh cannot be started.
    pub fn connect(&self, door: Option<PathBuf>) -> Result<Connection> {
        let mut words = vec![self.program.clone(), "engine".into(), "--stdio".into()];
        match door {
            Some(door) => words.extend(["--door".into(), door.display().to_string()]),
            None => words.extend(self.run.clone()),
        }
        if let Some(device) = &self.device {
            words.extend(["--device".into(), device.clone()]);
        }
        if let Some(threads) = self.threads {
            words.extend(["--threads".into(), threads.to_string()]);
        }
        let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        // As git has it: another ssh, or one with options.
        let ssh = std::env::var("GRADLENS_SSH").unwrap_or_else(|_| "ssh".into());
        let mut own = ssh.split_whitespace();
        let mut ssh = Command::new(own.next().unwrap_or("ssh"));
        ssh.args(own);
        ssh.args(["-T", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "--", &self.host]);
        ssh.arg(line.join(" "));
        ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child =
            ssh.spawn().map_err(|e| Error::Peer(format!("cannot be reached: ssh does not start: {e}")))?;
        let missing = || Error::Peer("cannot be reached: ssh has no streams".into());
        let (output, input) = (child.stdout.take().ok_or_else(missing)?, child.stdin.take().ok_or_else(missing)?);
        if let Some(errors) = child.stderr.take() {
            let said = self.said.clone();
            tokio::spawn(async move {
                let mut lines = BufReader::new(errors).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    tracing::info!(line, "ssh says");
                    *said.lock().unwrap_or_else(PoisonError::into_inner) = line;
                }
            });
        }
        Ok(Box::new(Pipes { streams: tokio::io::join(output, input), _child: child }))
    }

    /// What takes a lost connection up.
    pub fn again(&self) -> Connector {
        let way = self.clone();
        Box::new(move |door| {
            let connection = way.connect(door);
            Box::pin(std::future::ready(connection))
        })
    }

    /// The other machine.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What shows a run over there again.
    pub fn attaching(&self, run: &str) -> String {
        format!("gradlens ssh {} --attach {run}", self.host)
    }

    /// The last thing ssh said.
    pub fn last_words(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A word for the other machine's shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// ssh's standard output and input; ssh ends with them.
struct Pipes {
    streams: tokio::io::Join<tokio::process::ChildStdout, tokio::process::ChildStdin>,
    _child: Child,
}

impl tokio::io::AsyncRead for Pipes {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.streams).poll_read(context, buffer)
    }
}

impl tokio::io::AsyncWrite for Pipes {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        data: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.streams).poll_write(context, data)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.streams).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.streams).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_reach_the_other_shell_whole() {
        assert_eq!(quoted("/run/user/1000/gradlens/7.sock"), "/run/user/1000/gradlens/7.sock");
        assert_eq!(quoted("a b; rm 'c'"), "'a b; rm '\\''c'\\'''");
    }
}
