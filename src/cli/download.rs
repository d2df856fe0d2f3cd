//! `finesift download`: runs the Python scripts of `make setup`, which are embedded in the program.

use std::env;
use std::fmt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

/// Downloads go through pip, which knows the user's mirrors, proxies and credentials.
const SCRIPTS: [(&str, &str); 3] = [
    ("setup.py", include_str!("../../scripts/setup.py")),
    ("fetch.py", include_str!("../../scripts/fetch.py")),
    ("gguf.py", include_str!("../../scripts/gguf.py")),
];

/// Holds [`SCRIPTS`] as JSON for [`LAUNCHER`].
const VARIABLE: &str = "FINESIFT_SCRIPTS";

/// Runs setup.py from a temporary folder, which is removed however the script ends.
const LAUNCHER: &str = r#"
import sys
sys.path = [path for path in sys.path if path]
import json, os, runpy, tempfile
with tempfile.TemporaryDirectory(prefix="finesift-") as folder:
    for name, text in json.loads(os.environ.pop("FINESIFT_SCRIPTS")).items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    sys.path.insert(0, folder)
    runpy.run_path(os.path.join(folder, "setup.py"), run_name="__main__")
"#;

/// Exits with a reason if this Python cannot run the scripts.
const PROBE: &str = r#"
import sys
if sys.version_info < (3, 9):
    sys.exit("Python %d.%d, 3.9 or later is needed" % sys.version_info[:2])
try:
    import pip
except ImportError:
    sys.exit("has no pip")
"#;

#[derive(Args)]
pub(super) struct Download {
    /// What to download
    #[arg(value_enum, required = true, value_name = "DEMO")]
    demos: Vec<Demo>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Demo {
    /// all-MiniLM-L6-v2 and 3,000 sentences labelled positive or negative (84 MB)
    Demo,
    /// SmolLM2-135M-Instruct and instructions in Alpaca's format (98 MB, 540 MB on disk)
    DemoChat,
}

/// No Python can run the scripts: each one tried, and why not.
#[derive(Debug, PartialEq)]
struct NoPython(Vec<(PathBuf, String)>);

impl fmt::Display for NoPython {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "downloads need Python 3.9 or later with pip. Install both, for instance as `python3-pip`. Tried:",
        )?;
        self.0.iter().try_for_each(|(python, reason)| write!(f, "\n  {}: {reason}", python.display()))
    }
}

impl std::error::Error for NoPython {}

impl Download {
    /// Replaces this process by Python, so that signals and the exit status are the script's.
    pub(super) fn run(&self) -> Result<std::convert::Infallible> {
        let python = python(&candidates(env::current_exe().ok().as_deref()))?;
        let names = self.demos.iter().filter_map(|demo| Some(demo.to_possible_value()?.get_name().to_owned()));
        let scripts: serde_json::Map<_, _> =
            SCRIPTS.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
        let error = Command::new(&python)
            .args(["-c", LAUNCHER])
            .args(names)
            .env(VARIABLE, serde_json::Value::Object(scripts).to_string())
            .stdin(Stdio::null())
            .exec();
        Err(error).with_context(|| format!("cannot start {}", python.display()))
    }
}

/// The Python of the environment that the program is installed in, then the one on PATH.
fn candidates(program: Option<&Path>) -> Vec<PathBuf> {
    // `uv tool install` and pipx link the program from another folder.
    let beside =
        program.and_then(|program| program.canonicalize().ok()).map(|program| program.with_file_name("python3"));
    beside.into_iter().filter(|python| python.is_file()).chain(["python3".into()]).collect()
}

fn python(candidates: &[PathBuf]) -> Result<PathBuf, NoPython> {
    let mut tried = Vec::new();
    for python in candidates {
        match probe(python) {
            Ok(()) => return Ok(python.clone()),
            Err(reason) => tried.push((python.clone(), reason)),
        }
    }
    Err(NoPython(tried))
}

fn probe(python: &Path) -> Result<(), String> {
    let output = Command::new(python).args(["-c", PROBE]).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_python_of_the_programs_environment_comes_before_the_one_on_path() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (tool, links) = (root.join("tools/finesift/bin"), root.join("bin"));
        fs::create_dir_all(&tool).unwrap();
        fs::create_dir_all(&links).unwrap();
        fs::write(tool.join("finesift"), "").unwrap();
        symlink(tool.join("finesift"), links.join("finesift")).unwrap();
        assert_eq!(candidates(Some(&links.join("finesift"))), [PathBuf::from("python3")]);
        fs::write(tool.join("python3"), "").unwrap();
        assert_eq!(candidates(Some(&links.join("finesift"))), [tool.join("python3"), "python3".into()]);
        assert_eq!(candidates(None), [PathBuf::from("python3")]);
    }

    #[test]
    fn a_python_that_cannot_run_the_scripts_is_skipped_and_named() {
        let programs = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(python(&programs(&["/no/python3", "false", "true"])).unwrap(), Path::new("true"));
        let message = python(&programs(&["/no/python3", "false"])).unwrap_err().to_string();
        assert!(message.contains("\n  /no/python3: No such file") && message.contains("\n  false: "), "{message}");
    }

    #[test]
    fn the_scripts_fit_into_an_environment_variable() {
        // Linux allows 128 KiB for one.
        assert!(SCRIPTS.iter().map(|(_, text)| text.len()).sum::<usize>() < 64 << 10);
        assert!(LAUNCHER.contains(VARIABLE));
    }
}
