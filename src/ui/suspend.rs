//! The terminal in other hands for a while: those of the shell that started the program, or of one in a run's folder. A run
//! goes on meanwhile.

use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

use super::Workbench;
use super::terminal::Terminal;

const FILE_MANAGER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

impl Workbench {
    /// Lets the user into a folder: with a shell, and beside the screen with a file manager where there is a desktop.
    pub(super) async fn visit(&mut self, terminal: &mut Terminal, folder: &Path) -> Result<()> {
        let desktop = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
        if desktop && std::env::var_os("SSH_CONNECTION").is_none() {
            let mut manager = tokio::process::Command::new(FILE_MANAGER);
            let quiet = || std::process::Stdio::null();
            match manager.arg(folder).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn() {
                Ok(_) => self.app.toasts.info(format!("opened {}", folder.display())),
                Err(error) => {
                    self.app.toasts.error(format!("{FILE_MANAGER}: {error}; the folder is {}", folder.display()))
                }
            }
            return Ok(());
        }
        terminal.release();
        println!("\n{}\n`exit` brings finesift back", folder.display());
        let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
        let child = tokio::process::Command::new(&shell).current_dir(folder).spawn();
        match child {
            Ok(mut child) => loop {
                // A run goes on meanwhile.
                let live = self.live.as_mut();
                tokio::select! {
                    _ = child.wait() => break,
                    Some(event) = async { live.expect("guarded").link.next().await }, if live.is_some() => {
                        self.told(event);
                    }
                }
            },
            Err(error) => {
                self.app.toasts.error(format!("{}: {error}; the folder is {}", shell.display(), folder.display()))
            }
        }
        terminal.retake()
    }

    /// Stops the process as the shell expects of Ctrl-Z. Continued in the background it trains on, and takes the terminal
    /// again only when it is given to it.
    pub(super) async fn suspend(&mut self, terminal: &mut Terminal) -> Result<()> {
        let mut continued = signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?;
        terminal.release();
        rustix::process::kill_current_process_group(rustix::process::Signal::TSTP).context("cannot suspend")?;
        // Without a shell that controls jobs the system ignores it, and no one will continue what never stopped.
        let _ = timeout(Duration::from_millis(500), continued.recv()).await;
        while !in_foreground() {
            tokio::select! {
                _ = continued.recv() => {}
                _ = sleep(Duration::from_secs(1)) => {}
            }
            while let Some(event) = self.live.as_mut().and_then(|live| live.link.try_next()) {
                self.told(event);
            }
        }
        terminal.retake()
    }
}

/// Whether the terminal's keys come to this process.
fn in_foreground() -> bool {
    rustix::termios::tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}
