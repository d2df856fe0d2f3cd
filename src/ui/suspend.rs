//! The terminal in other hands for a while: those of the shell that started the program, or of a shell in a run folder.
//! A run trains on meanwhile.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

use super::Workbench;
use super::message::Msg;
use super::terminal::Terminal;

const FILE_MANAGER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

impl Workbench {
    /// Opens a folder: in a file manager on a desktop, and else in a shell that has the terminal until it exits.
    pub(super) async fn open_folder(
        &mut self,
        terminal: &mut Terminal,
        folder: &Path,
    ) -> Result<ControlFlow<(), Vec<Msg>>> {
        let desktop = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
        if desktop && std::env::var_os("SSH_CONNECTION").is_none() {
            let mut manager = Command::new(FILE_MANAGER);
            manager.arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            return Ok(ControlFlow::Continue(vec![match manager.spawn() {
                Ok(_) => Msg::Notice(format!("opened {}", folder.display())),
                Err(error) => cannot_open(FILE_MANAGER, &error, folder),
            }]));
        }
        terminal.release();
        println!("\n{}\n`exit` returns to finesift", folder.display());
        let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
        let mut flow = ControlFlow::Continue(Vec::new());
        match Command::new(&shell).current_dir(folder).spawn() {
            Ok(mut child) => loop {
                let live = self.live.as_mut();
                tokio::select! {
                    _ = child.wait() => break,
                    Some(event) = async { live.expect("guarded").link.next().await }, if live.is_some() => {
                        if self.on_event(event).is_break() {
                            flow = ControlFlow::Break(());
                        }
                    }
                }
            },
            Err(error) => {
                let shell = shell.to_string_lossy();
                flow = ControlFlow::Continue(vec![cannot_open(&shell, &error, folder)]);
            }
        }
        terminal.retake()?;
        Ok(flow)
    }

    /// Stops the process as the shell expects of Ctrl-Z. Continued in the background it trains on, and takes the terminal
    /// again only in the foreground.
    pub(super) async fn suspend(&mut self, terminal: &mut Terminal) -> Result<ControlFlow<(), Vec<Msg>>> {
        let mut continued = signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?;
        let mut flow = ControlFlow::Continue(Vec::new());
        terminal.release();
        rustix::process::kill_current_process_group(rustix::process::Signal::TSTP).context("cannot suspend")?;
        // Without job control the system ignores the signal, and nobody continues a process that never stopped.
        let _ = timeout(Duration::from_millis(500), continued.recv()).await;
        while !in_foreground() {
            tokio::select! {
                _ = continued.recv() => {}
                _ = sleep(Duration::from_secs(1)) => {}
            }
            while let Some(event) = self.live.as_mut().and_then(|live| live.link.try_next()) {
                if self.on_event(event).is_break() {
                    flow = ControlFlow::Break(());
                }
            }
        }
        terminal.retake()?;
        Ok(flow)
    }
}

fn cannot_open(program: &str, error: &io::Error, folder: &Path) -> Msg {
    Msg::Refused(format!("cannot start {program}: {error}; the folder is {}", folder.display()))
}

/// Whether the terminal's keys come to this process.
fn in_foreground() -> bool {
    rustix::termios::tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}
