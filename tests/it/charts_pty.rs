//! Charts as pixels, in terminals with and without graphics: what is asked, sent, updated and deleted.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::pty::Pty;

const KITTY: &str = "\x1b]11;rgb:1c1c/1c1c/1c1c\x1b\\\x1b_Gi=31;OK\x1b\\\x1b[6;20;10t\x1b[4;800;1200t\x1b[?62;c";
const FOOT: &str = "\x1b[6;20;10t\x1b[?62;4;22c";
const SILENT: &str = "";

const DELETE_ALL: &str = "\x1b_Ga=d,d=A,q=2\x1b\\";

/// A folder of runs with the recorded run `demo`, and these settings.
fn runs(settings: &str) -> tempfile::TempDir {
    let folder = crate::replay_pty::runs();
    let config = folder.path().join("config/finesift");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("config.toml"), settings).unwrap();
    folder
}

fn replay(answer: &'static str, folder: &Path, more: &[(&str, &str)]) -> Pty {
    let mut pty = Pty::start_answering(answer, 120, 40, folder, &["replay", "demo", "--runs", "."], more);
    pty.wait_for(&["● completed", "170/170", "Evaluation"]);
    pty
}

/// What was written since there were so many bytes, up to the end of the frame.
fn since(pty: &mut Pty, start: usize) -> String {
    pty.whole_screen();
    String::from_utf8_lossy(&pty.written[start..]).into_owned()
}

/// The ids of the images that a text shows, and of those that it deletes.
fn images(text: &str) -> (Vec<&str>, Vec<&str>) {
    (ids(text, "\x1b_Ga=T,", ",i="), ids(text, "\x1b_Ga=d,d=I", ",i="))
}

/// The ids in sequences that begin like this.
fn ids<'a>(text: &'a str, sequence: &str, before: &str) -> Vec<&'a str> {
    let controls = text.split(sequence).skip(1).filter_map(|rest| rest.split([';', '\x1b']).next());
    controls.filter_map(|control| control.split_once(before)?.1.split(',').next()).collect()
}

fn leave(mut pty: Pty) -> String {
    pty.press("q");
    let (status, text) = pty.wait_exit();
    assert_eq!(status, 0, "{text}");
    pty.assert_restored();
    String::from_utf8_lossy(&pty.written).into_owned()
}

/// No images, whatever the protocol. A question is none.
fn assert_no_images(written: &str) {
    for sequence in ["a=T", "a=d", "]1337;", "\x1bP0;1q"] {
        assert!(!written.contains(sequence), "{sequence:?}");
    }
}

#[test]
fn kitty_shows_images_that_follow_the_screen() {
    let folder = runs("");
    let mut pty = replay(KITTY, folder.path(), &[]);
    let first = since(&mut pty, 0);
    let (placed, deleted) = images(&first);
    assert!(placed.len() >= 4 && deleted.is_empty(), "{placed:?} {deleted:?}");
    let (placed, shown) = (placed.len(), placed.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
    // Braille is below none of them: only the title and the axes are text.
    assert!(!pty.text().chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)), "{}", pty.text());

    // Another panel has the focus: no chart changes. Then another screen has no charts.
    let start = pty.written.len();
    pty.press("\t5");
    pty.wait_until("the log alone", |screen| !screen.contents().contains("╭ Loss"));
    let text = since(&mut pty, start);
    let (sent, deleted) = images(&text);
    assert_eq!((sent.len(), deleted), (0, shown.iter().map(String::as_str).collect()));

    let start = pty.written.len();
    pty.press("1");
    pty.wait_for(&["╭ Loss", "Evaluation"]);
    let text = since(&mut pty, start);
    assert_eq!(images(&text).0.len(), placed);

    // A dialog lies above the middle of the screen: charts below it are drawn in braille meanwhile.
    let start = pty.written.len();
    pty.press("?");
    pty.wait_for(&["Keys"]);
    let text = since(&mut pty, start);
    let (sent, covered) = images(&text);
    assert!(sent.is_empty() && !covered.is_empty(), "{sent:?} {covered:?}");
    let covered = covered.len();
    let start = pty.written.len();
    pty.press("\x1b");
    pty.wait_until("the end of the dialog", |screen| screen.contents().contains("╭ Evaluation"));
    let text = since(&mut pty, start);
    assert_eq!(images(&text).0.len(), covered);

    let start = pty.written.len();
    pty.resize(100, 30);
    pty.wait_until("the new size", |screen| {
        screen.contents().lines().nth(29).is_some_and(|line| line.contains("help"))
    });
    let text = since(&mut pty, start);
    assert!(text.find(DELETE_ALL) < text.find("a=T,"), "images of the old size are deleted first");
    assert!(!images(&text).0.is_empty());

    let written = leave(pty);
    let end = written.rfind("\x1b[?1049l").unwrap();
    assert!(written[..end].rfind(DELETE_ALL) > written.rfind("a=T,"), "images are left behind");
}

#[test]
fn a_suspended_program_leaves_no_images() {
    let folder = runs("");
    let mut pty = replay(KITTY, folder.path(), &[]);
    pty.wait_for_sequence("a=T,");
    pty.whole_screen();
    let start = pty.written.len();
    pty.press("\x1a");
    pty.wait_for_sequence("\x1b[?1049l");
    pty.wait_until("its return", |screen| screen.alternate_screen() && screen.contents().contains("Evaluation"));
    let text = since(&mut pty, start);
    let released = text.find("\x1b[?1049l").unwrap();
    assert!(text[..released].contains(DELETE_ALL) && text[released..].contains("a=T,"), "{text:?}");
    leave(pty);
}

#[test]
fn a_sixel_terminal_shows_sixels() {
    let folder = runs("charts = \"pixels\"");
    let mut pty = replay(FOOT, folder.path(), &[("TERM", "foot")]);
    pty.wait_for_sequence("\x1bP0;1q\"1;1;");
    assert!(!pty.text().contains("drawn in braille"));
    let written = leave(pty);
    assert!(!written.contains("a=T"));
}

#[test]
fn a_silent_terminal_gets_no_images_and_starts_soon() {
    let folder = runs("");
    let start = Instant::now();
    let pty = replay(SILENT, folder.path(), &[]);
    // A second for the answers; the rest is for a busy machine.
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(pty.text().chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)), "{}", pty.text());
    assert_no_images(&leave(pty));
}

#[test]
fn nothing_is_asked_where_no_pixels_are_wanted_or_possible() {
    for (settings, more) in [
        ("charts = \"braille\"", &[][..]),
        ("ascii = true", &[]),
        ("", &[("NO_COLOR", "1")]),
        ("", &[("COLORTERM", ""), ("TERM", "xterm")]),
        ("", &[("TERM", "screen-256color")]),
        ("", &[("TERM_PROGRAM", "Apple_Terminal")]),
    ] {
        let folder = runs(settings);
        let mut pty = Pty::start_answering(KITTY, 120, 40, folder.path(), &["replay", "demo", "--runs", "."], more);
        pty.wait_for(&["completed", "170/170"]);
        let written = leave(pty);
        assert!(!written.contains("\x1b_G") && !written.contains("\x1b[c"), "{settings} {more:?}");
        assert_no_images(&written);
    }
}

#[test]
fn pixels_that_are_asked_for_in_vain_are_explained() {
    let folder = runs("charts = \"pixels\"");
    let mut pty = replay("\x1b[?62;22c", folder.path(), &[]);
    pty.wait_for(&["charts are drawn in braille: the terminal has neither"]);
    assert_no_images(&leave(pty));
}
