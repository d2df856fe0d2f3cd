//! `finesift runs rm`, `rename` and `tag`, and the signs of `finesift doctor`.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

use crate::place;
use crate::pty::Pty;

/// A folder with these runs.
fn runs(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        fs::create_dir_all(folder.path().join("runs").join(name)).unwrap();
        fs::write(folder.path().join("runs").join(name).join("preset.toml"), "").unwrap();
    }
    folder
}

fn finesift(folder: &Path, arguments: &[&str], locale: &str) -> Output {
    Command::new(place::program())
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env("LC_ALL", locale)
        .env("TERM", "xterm-256color")
        .env_remove("FINESIFT_RUNS")
        .output()
        .unwrap()
}

/// Exit status, stdout and stderr.
fn said(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = finesift(folder, arguments, "C.UTF-8");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn runs_are_moved_to_the_trash_by_name_or_path() {
    let folder = runs(&["one", "two", "three"]);
    let at = |path: &str| folder.path().join(path);
    // Nobody can be asked.
    let (code, _, error) = said(folder.path(), &["runs", "rm", "one"]);
    assert!(code == Some(2) && error.contains("pass --yes"), "{error}");
    // One unknown or active run, and nothing is moved.
    let (code, _, error) = said(folder.path(), &["runs", "rm", "--yes", "one", "too"]);
    assert!(code == Some(2) && error.contains("did you mean \"two\"?"), "{error}");
    let lock = File::create(at("runs/three/lock")).unwrap();
    lock.lock().unwrap();
    let (code, _, error) = said(folder.path(), &["runs", "rm", "--yes", "one", "three"]);
    assert!(
        code == Some(2) && error.contains("three: the run is active and cannot be deleted. Stop it first"),
        "{error}"
    );
    assert!(at("runs/one").exists());
    // The same run twice is one run.
    let (code, text, error) = said(folder.path(), &["runs", "rm", "--yes", "one", "runs/two", "two"]);
    assert_eq!((code, text.as_str()), (Some(0), "moved to runs/.trash/one\nmoved to runs/.trash/two\n"), "{error}");
    assert!(at("runs/.trash/two/preset.toml").exists() && !at("runs/two").exists());
    assert!(said(&at("runs/three"), &["runs", "rm", "--yes", "."]).2.contains("the run is active"));
}

#[test]
fn a_terminal_is_asked_before_runs_are_moved() {
    let folder = runs(&["one"]);
    for (answer, moved) in [("\r", false), ("n\r", false), ("yes\r", true)] {
        let mut pty = Pty::start(80, 24, folder.path(), &["runs", "rm", "one"]);
        pty.wait_for(&["runs/one", "Move this run to the trash? [y/N]"]);
        pty.press(answer);
        let (status, text) = pty.wait_exit();
        assert_eq!((status, text.contains("nothing was moved")), (0, !moved), "{answer:?}: {text}");
        assert_eq!(folder.path().join("runs/one").exists(), !moved, "{answer:?}");
    }
}

#[test]
fn runs_are_renamed() {
    let folder = runs(&["one", "two"]);
    let (code, text, _) = said(folder.path(), &["runs", "rename", "one", "first"]);
    assert_eq!((code, text.as_str()), (Some(0), "renamed to runs/first\n"));
    for (name, message) in
        [("two", "a run of this name exists"), ("a/b", "a run's name has letters"), (".x", "must not")]
    {
        let (code, _, error) = said(folder.path(), &["runs", "rename", "first", name]);
        assert!(code == Some(2) && error.contains(message), "{name}: {error}");
    }
    assert!(folder.path().join("runs/first/preset.toml").exists());
}

#[test]
fn tags_are_added_and_removed() {
    let folder = runs(&["one", "two"]);
    let tags = |name: &str| fs::read_to_string(folder.path().join("runs").join(name).join("tags")).unwrap();
    let (code, text, _) = said(folder.path(), &["runs", "tag", "one", "two", "--add", "good", "--add", "#paper"]);
    assert_eq!((code, text.as_str()), (Some(0), "runs/one: #good #paper\nruns/two: #good #paper\n"));
    let (code, text, _) = said(folder.path(), &["runs", "tag", "one", "--remove", "good", "--add", "last"]);
    assert_eq!((code, text.as_str()), (Some(0), "runs/one: #paper #last\n"));
    let (_, text, _) = said(folder.path(), &["runs", "tag", "two", "--remove", "good", "--remove", "paper"]);
    assert_eq!(text, "runs/two: no tags\n");
    assert_eq!((tags("one").as_str(), tags("two").as_str()), ("paper\nlast\n", ""));
    let many: Vec<String> = (0..17).flat_map(|n| ["--add".to_owned(), format!("t{n}")]).collect();
    let many: Vec<&str> = ["runs", "tag", "one"].into_iter().chain(many.iter().map(String::as_str)).collect();
    for arguments in [&["runs", "tag", "one"] as &[&str], &["runs", "tag", "one", "--add", "a b"], &many] {
        let (code, _, error) = said(folder.path(), arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {error}");
    }
    assert_eq!(tags("one"), "paper\nlast\n");
}

#[test]
fn the_report_of_the_machine_has_a_sign_on_each_line() {
    let folder = runs(&[]);
    let report = |locale: &str| {
        let output = finesift(folder.path(), &["doctor"], locale);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let text = report("C.UTF-8");
    assert!(text.lines().all(|line| ["✓ ", "✗ ", "! "].iter().any(|sign| line.starts_with(sign))), "{text}");
    for part in [
        "✓ finesift",
        "✓ memory",
        "✓ characters    UTF-8 (LC_ALL=C.UTF-8)",
        "✓ colours       256",
        "stdout is no terminal",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = report("C");
    assert!(text.contains("ok  finesift") && text.contains("LC_ALL=C is not UTF-8"), "{text}");
    assert!(text.lines().all(|line| ["ok  ", "x   ", "!   "].iter().any(|sign| line.starts_with(sign))), "{text}");
}

#[test]
fn the_locale_decides_between_unicode_and_ascii_unless_a_setting_does() {
    let folder = runs(&[]);
    let config = folder.path().join("config/finesift");
    fs::create_dir_all(&config).unwrap();
    for (setting, locale, ascii) in
        [("", "C", true), ("", "C.UTF-8", false), ("ascii = false", "C", false), ("ascii = true", "C.UTF-8", true)]
    {
        fs::write(config.join("config.toml"), setting).unwrap();
        let mut pty = Pty::start_with(80, 24, folder.path(), &[], &[("LC_ALL", locale)]);
        pty.wait_for(&["Presets", "help"]);
        let frames = |corner| pty.text().contains(corner);
        assert_eq!((frames("+ Presets"), frames("╭ Presets")), (ascii, !ascii), "{setting} {locale}: {}", pty.text());
        pty.press("q");
        pty.wait_exit();
    }
}
