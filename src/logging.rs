//! The log for developers: what attach, hand-offs, the checkpoint writer and hub downloads do, in a file.
//!
//! `FINESIFT_LOG` names the file, to which every process of finesift appends. Without it nothing is logged.
//! `FINESIFT_LOG_LEVEL` is `error`, `warn`, `info` (the default), `debug` or `trace`. A line has the time in UTC, the process
//! id, the level, the module, and the event with its fields:
//!
//! ```text
//! 2026-05-04T12:30:01.123456Z 4711  INFO finesift::attach::viewer: attached folder=runs/demo process=4242
//! ```

use std::env;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use tracing::Level;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use crate::Usage;

const FILE: &str = "FINESIFT_LOG";
const LEVEL: &str = "FINESIFT_LOG_LEVEL";

/// Starts the log that the environment asks for.
///
/// # Errors
/// [`Usage`]: the file cannot be written, or the level is unknown.
pub fn start() -> Result<()> {
    let Some(path) = env::var_os(FILE).filter(|path| !path.is_empty()) else { return Ok(()) };
    let level = match env::var(LEVEL) {
        Ok(level) if !level.is_empty() => match level.parse() {
            Ok(level) => level,
            Err(_) => bail!(Usage(format!("{LEVEL}={level}: expected error, warn, info, debug or trace"))),
        },
        _ => Level::INFO,
    };
    let file = open(Path::new(&path))?;
    let subscriber = tracing_subscriber::fmt()
        .with_writer(Arc::new(file))
        .with_max_level(level)
        .with_ansi(false)
        .with_timer(TimeAndProcess)
        .finish();
    tracing::subscriber::set_global_default(subscriber).context("cannot start the log")?;
    let arguments: Vec<String> = env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), ?arguments, "finesift started");
    Ok(())
}

fn open(path: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.map_err(|error| Usage(format!("{FILE}={}: cannot write: {error}", path.display())).into())
}

/// The time of a line, and the process: several append to one file.
struct TimeAndProcess;

impl FormatTime for TimeAndProcess {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        SystemTime.format_time(writer)?;
        write!(writer, " {}", std::process::id())
    }
}
