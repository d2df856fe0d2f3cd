//! `finesift runs rm`, `rename` and `tag`: the changes of the Runs screen, on the command line.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::Usage;
use crate::runs::{RunEdit, find, read_tags, refuse_active, tags_of};
use crate::stdout::print;

#[derive(Args)]
pub(super) struct Remove {
    /// Names of runs, or paths of their folders
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

#[derive(Args)]
pub(super) struct Rename {
    /// Name of the run, or path of its folder
    run: String,
    /// The new name
    name: String,
}

#[derive(Args)]
pub(super) struct Tag {
    /// Names of runs, or paths of their folders
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,
    /// Add a tag; may be repeated
    #[arg(long, value_name = "TAG")]
    add: Vec<String>,
    /// Remove a tag; may be repeated
    #[arg(long, value_name = "TAG")]
    remove: Vec<String>,
}

impl Remove {
    /// Moves the runs to the trash, after asking. Nothing is moved if one of them is unknown or active.
    pub(super) fn run(self, folder: &Path) -> Result<String> {
        let runs = find_all(folder, &self.runs)?;
        runs.iter().try_for_each(|run| refuse_active(run, "deleted"))?;
        if !self.yes && !ask(&runs)? {
            return Ok("nothing was moved\n".into());
        }
        carry_out(&RunEdit::MoveToTrash(runs))
    }
}

impl Rename {
    pub(super) fn run(self, folder: &Path) -> Result<String> {
        carry_out(&RunEdit::Rename { run: find(folder, &self.run)?, name: self.name })
    }
}

impl Tag {
    /// Adds and removes tags. Returns the tags of each run.
    pub(super) fn run(self, folder: &Path) -> Result<String> {
        if self.add.is_empty() && self.remove.is_empty() {
            bail!(Usage("say which tags: --add TAG, --remove TAG".into()));
        }
        let (add, remove) = (tags(&self.add)?, tags(&self.remove)?);
        let mut said = String::new();
        for run in find_all(folder, &self.runs)? {
            let kept = read_tags(&run).into_iter().filter(|tag| !remove.contains(tag) && !add.contains(tag));
            let all: Vec<String> = kept.chain(add.iter().cloned()).collect();
            if tags_of(&all.join(" ")) != all {
                bail!(Usage(format!("{}: these are more tags than a run can have", run.display())));
            }
            carry_out(&RunEdit::Tag { runs: vec![run.clone()], tags: all.clone() })?;
            let tags: String = all.iter().map(|tag| format!(" #{tag}")).collect();
            said += &format!("{}:{}\n", run.display(), if tags.is_empty() { " no tags" } else { &tags });
        }
        Ok(said)
    }
}

/// The folders of runs, each once.
fn find_all(folder: &Path, names: &[String]) -> Result<Vec<PathBuf>> {
    let mut found: Vec<(PathBuf, PathBuf)> = Vec::new();
    for name in names {
        let path = find(folder, name)?;
        let real = path.canonicalize().with_context(|| format!("{}: cannot open", path.display()))?;
        if found.iter().all(|(_, other)| *other != real) {
            // `.` has no name to be moved by.
            let path = if path.file_name().is_some() { path } else { real.clone() };
            found.push((path, real));
        }
    }
    Ok(found.into_iter().map(|(path, _)| path).collect())
}

/// Tags as they are given, with or without `#`.
fn tags(given: &[String]) -> Result<Vec<String>> {
    let tag = |word: &String| match tags_of(word).as_slice() {
        [tag] if tag == word.trim_start_matches('#') => Ok(tag.clone()),
        _ => Err(Usage(format!("{word:?}: a tag has letters, digits, - _ . and at most 32 of them"))),
    };
    Ok(given.iter().map(tag).collect::<Result<_, _>>()?)
}

/// Asks on the terminal whether to move runs to the trash.
fn ask(runs: &[PathBuf]) -> Result<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        bail!(Usage("`finesift runs rm` asks first, and there is no terminal to ask on; pass --yes".into()));
    }
    let names: Vec<String> = runs.iter().map(|run| run.display().to_string()).collect();
    let what = if runs.len() == 1 { "this run" } else { "these runs" };
    let mut stderr = io::stderr();
    write!(stderr, "{}\nMove {what} to the trash? [y/N] ", names.join("\n")).and_then(|()| stderr.flush())?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// Makes a change. What was done before a failure is printed.
fn carry_out(edit: &RunEdit) -> Result<String> {
    let mut said = String::new();
    for outcome in edit.apply() {
        match outcome {
            Ok(what) => said += &format!("{what}\n"),
            Err(error) => {
                print(&said)?;
                return Err(error);
            }
        }
    }
    Ok(said)
}
