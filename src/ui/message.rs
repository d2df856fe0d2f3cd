//! What goes into the state and what comes out of it: messages, and what the loop is to do.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crossterm::event::{KeyEvent, MouseEvent};

use super::monitor::Files;
use super::runs::Comparison;
use crate::estimate::Estimate;
use crate::export::ExportRequest;
use crate::preset::{self, Preset};
use crate::protocol::{Command, Event, Progress};
use crate::runs::{self, History};

/// What comes in.
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was used.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has another size.
    Resize(u16, u16),
    /// Time since the start.
    Tick(Duration),
    /// The live run told something.
    Event(Event),
    /// A run that was asked for has started.
    Launched,
    /// A run that goes elsewhere was attached to.
    Attached,
    /// What was asked for was not done.
    Refused(String),
    /// What a preset's run would take: the preset's TOML, and the answer.
    Estimate(String, Result<Estimate, String>),
    /// Events of the run that is looked at again: the number of the replay, and the next of them.
    Replayed(u64, Vec<Event>),
    /// All runs at a time; `None` if they are as they were.
    Listed(Option<Vec<runs::RunEntry>>, SystemTime),
    /// What runs differ in.
    Compared(Comparison),
    /// A run to lay over the charts, by its name.
    Overlaid(String, Box<History>),
    /// Where the run on the monitor keeps its files.
    Files(Files),
    /// Something that was asked for is done: a sentence.
    Done(String),
    /// The export under way has come so far.
    Exporting(Progress),
    /// It has ended: why it failed, if it did.
    Exported(Result<(), anyhow::Error>),
    /// Presets were saved; and all presets there are now.
    Saved(Vec<Saved>, Vec<preset::PresetEntry>),
    /// All that were changed are saved, on the way out.
    AllSaved,
}

/// What the loop has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send an order to the trainer.
    Send(Command),
    /// Start a run.
    Launch(Box<Preset>),
    /// Find out what a run would take.
    Estimate(Box<Preset>),
    /// Read the events of a run's folder, for the replay of a number.
    Replay(PathBuf, u64),
    /// Look for runs.
    List,
    /// Take a run up again.
    Resume(PathBuf),
    /// Attach to a run that goes elsewhere.
    Attach(PathBuf),
    /// Lay the curves of runs over the monitor's.
    Overlay(Vec<PathBuf>),
    /// Find out what the settings of runs differ in.
    Compare(Vec<runs::RunEntry>),
    /// Give a run another name.
    Rename(PathBuf, String),
    /// Give runs these tags.
    Tag(Vec<PathBuf>, Vec<String>),
    /// Pin the checkpoint of a step, or take its pin away.
    Pin {
        /// The run's folder.
        run: PathBuf,
        /// Optimizer steps of the checkpoint.
        step: u64,
        /// Whether to pin it.
        pin: bool,
    },
    /// Write what a run came to for other software.
    Export(ExportRequest),
    /// Call the export off that is under way.
    CallOff,
    /// Move runs to the trash.
    ThrowAway(Vec<PathBuf>),
    /// Open a folder for the user.
    Open(PathBuf),
    /// Put a text on the clipboard.
    Copy(String),
    /// Keep a theme for later.
    KeepTheme(String),
    /// Write these texts to files, with their folder.
    Write(Vec<(PathBuf, String)>),
    /// Write a preset of the user's.
    Save(Saving),
    /// Write all that were changed, and go on leaving if that went well.
    SaveAll(Vec<Saving>),
    /// Leave the screen.
    Leave,
    /// Hand the terminal back to the shell for a while.
    Suspend,
}

/// A preset of the user's that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saving {
    /// The preset of the list that it was made of.
    pub from: String,
    /// Its name.
    pub name: String,
    /// Its text.
    pub toml: String,
    /// Whether it may take the place of one that is there.
    pub replace: bool,
}

/// A preset of the user's that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The preset of the list that it was made of.
    pub from: String,
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
}
