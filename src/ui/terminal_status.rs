//! What a terminal shows outside of its screen: the title of the window, progress in the taskbar, a notification at the end
//! of a run. This file builds the sequences, and builds none if nothing has changed.

use super::format::{plain, score};
use crate::config::Notify;
use crate::protocol::{Event, Phase};
use crate::runs::{History, RunEnd};

/// Saves the terminal's title, for [`RESTORE_TITLE`].
pub const KEEP_TITLE: &str = "\x1b[22;2t";

/// Restores the saved title. A terminal that saves none gets an empty one.
pub const RESTORE_TITLE: &str = "\x1b]2;\x07\x1b[23;2t";

/// Removes the progress from the taskbar.
pub const NO_PROGRESS: &str = "\x1b]9;4;0\x07";

/// What the terminal supports, and what it shows.
pub struct TerminalStatus {
    /// Whether it has a title.
    pub titled: bool,
    /// Whether it shows progress in the taskbar.
    pub progress: bool,
    notify: Notify,
    title: String,
    bar: String,
}

impl TerminalStatus {
    /// Detects from the environment what the terminal supports. An unknown terminal gets no sequence that it could print as
    /// text.
    pub fn new(notify: Notify, var: impl Fn(&str) -> Option<String>) -> TerminalStatus {
        let has = |name| var(name).is_some_and(|value| !value.is_empty());
        let term = var("TERM").unwrap_or_default();
        let within = has("TMUX") || has("STY");
        let program = var("TERM_PROGRAM").unwrap_or_default();
        // Earlier versions of WezTerm take the sequence for a notification.
        let version = var("TERM_PROGRAM_VERSION").and_then(|version| version.get(..8)?.parse::<u32>().ok());
        let progress = has("WT_SESSION")
            || var("ConEmuANSI").as_deref() == Some("ON")
            || program == "ghostty"
            || program == "WezTerm" && version.is_some_and(|version| version >= 20_250_301);
        TerminalStatus {
            titled: !matches!(term.as_str(), "" | "dumb" | "linux"),
            progress: progress && !within,
            notify,
            title: String::new(),
            bar: String::new(),
        }
    }

    /// The sequences that make title and taskbar show the state of the live run; empty if they already do.
    pub fn update(&mut self, run: Option<&History>) -> String {
        let (title, bar) = (title(run), bar(run));
        let mut text = String::new();
        if self.titled && title != self.title {
            text += &format!("\x1b]2;{title}\x07");
            self.title = title;
        }
        if self.progress && bar != self.bar {
            text += &format!("\x1b]9;4;{bar}\x07");
            self.bar = bar;
        }
        text
    }

    /// The sequence that notifies the user if this event ends the run; empty if it does not, or notifications are off.
    pub fn ended(&self, event: &Event, run: Option<&History>) -> String {
        let how = match event {
            Event::Finished(finished) => finished.reason.name(),
            Event::Failed { .. } => "failed",
            _ => return String::new(),
        };
        let started = run.and_then(|run| run.started.as_ref());
        let name = started.map(|started| word(&started.run)).unwrap_or_default();
        let best = run.and_then(|run| run.best()).zip(started);
        let best = best.and_then(|(best, started)| {
            Some(format!(", {} {}", word(&started.best), score(best.score(&started.best)?)))
        });
        self.notification(&format!("{name} {how}{}", best.unwrap_or_default()))
    }

    /// The sequence that notifies the user; empty if notifications are off.
    pub fn notification(&self, text: &str) -> String {
        let text = sequence_text(text);
        match self.notify {
            Notify::Off => String::new(),
            Notify::Bell => "\x07".into(),
            Notify::Osc9 => format!("\x1b]9;finesift: {text}\x07"),
            Notify::Osc777 => format!("\x1b]777;notify;finesift;{text}\x07"),
        }
    }
}

/// A name of a run for a sequence.
fn word(text: &str) -> String {
    sequence_text(text).chars().take(60).collect()
}

/// A text without characters that would end a sequence.
fn sequence_text(text: &str) -> String {
    plain(text).replace(';', ",").chars().take(200).collect()
}

/// Steps of the run so far, in percent.
fn percent(run: &History) -> Option<u64> {
    let (started, step) = (run.started.as_ref()?, run.step.as_ref()?);
    Some((u128::from(step.step) * 100 / u128::from(started.steps.max(1))).min(100) as u64)
}

fn title(run: Option<&History>) -> String {
    let Some(run) = run else { return "finesift".into() };
    let name = run.started.as_ref().map(|started| word(&started.run)).unwrap_or_default();
    let state = match (&run.end, run.phase, percent(run)) {
        (Some(RunEnd::Finished(finished)), ..) => finished.reason.name().into(),
        (Some(RunEnd::Failed { .. }), ..) => "failed".into(),
        (None, Some(Phase::Paused), _) => "paused".into(),
        (None, _, Some(percent)) => format!("{percent}%"),
        (None, _, None) => "preparing".into(),
    };
    format!("{state} {name} - finesift").replace("  ", " ")
}

/// State and percent: 0 none, 1 normal, 2 failed, 3 unknown, 4 paused.
fn bar(run: Option<&History>) -> String {
    let Some(run) = run else { return "0".into() };
    match (&run.end, run.phase, percent(run)) {
        (Some(RunEnd::Failed { .. }), _, percent) => format!("2;{}", percent.unwrap_or(100)),
        (Some(RunEnd::Finished(_)), ..) => "0".into(),
        (None, Some(Phase::Paused), Some(percent)) => format!("4;{percent}"),
        (None, _, Some(percent)) => format!("1;{percent}"),
        (None, _, None) => "3".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Finished, Reason};

    fn status(notify: Notify, vars: &[(&str, &str)]) -> TerminalStatus {
        TerminalStatus::new(notify, |name| {
            vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
        })
    }

    fn apply(run: &mut History, line: &str) {
        run.apply(serde_json::from_str(line).unwrap());
    }

    const STARTED: &str = r#"{"event":"started","run":"a;\u001b]b","preset":"demo","model":"m","data":"d","device":"cpu","dtype":"f32","examples":1,"eval_examples":1,"steps":8,"epochs":1.0,"batch":1,"rate":0.1,"select":"gradient","parameters":1,"best":"f1","version":"0"}"#;
    const STEP: &str = r#"{"event":"step","step":2,"epoch":0.1,"loss":0.5,"learning_rate":0.1,"grad_norm":1.0,"tokens_per_second":1.0}"#;

    #[test]
    fn title_and_taskbar_are_written_only_when_they_change() {
        let mut run = History::default();
        let mut status = status(Notify::Off, &[("TERM", "xterm-256color"), ("WT_SESSION", "x")]);
        assert_eq!(status.update(None), "\x1b]2;finesift\x07\x1b]9;4;0\x07");
        assert_eq!(status.update(None), "");
        apply(&mut run, STARTED);
        apply(&mut run, STEP);
        // No character of a name ends the sequence.
        assert_eq!(status.update(Some(&run)), "\x1b]2;25% a, ]b - finesift\x07\x1b]9;4;1;25\x07");
        apply(&mut run, STEP);
        assert_eq!(status.update(Some(&run)), "");
        apply(&mut run, r#"{"event":"phase","phase":"paused"}"#);
        assert_eq!(status.update(Some(&run)), "\x1b]2;paused a, ]b - finesift\x07\x1b]9;4;4;25\x07");
        apply(&mut run, r#"{"event":"failed","error":"x"}"#);
        assert_eq!(status.update(Some(&run)), "\x1b]2;failed a, ]b - finesift\x07\x1b]9;4;2;25\x07");
    }

    #[test]
    fn only_known_terminals_get_a_title_or_progress() {
        let can = |vars: &[(&str, &str)]| {
            let status = status(Notify::Off, vars);
            (status.titled, status.progress)
        };
        assert_eq!(can(&[("TERM", "dumb")]), (false, false));
        assert_eq!(can(&[("TERM", "linux")]), (false, false));
        assert_eq!(can(&[("TERM", "xterm-256color")]), (true, false));
        assert_eq!(can(&[("TERM", "xterm-ghostty"), ("TERM_PROGRAM", "ghostty")]), (true, true));
        assert_eq!(can(&[("TERM", "tmux-256color"), ("TMUX", "x"), ("WT_SESSION", "x")]), (true, false));
        let wezterm =
            |version| can(&[("TERM", "xterm"), ("TERM_PROGRAM", "WezTerm"), ("TERM_PROGRAM_VERSION", version)]);
        assert_eq!([wezterm("20240203-110809-5046fc22").1, wezterm("20260117-1-x").1], [false, true]);
    }

    #[test]
    fn the_end_of_a_run_is_notified_as_configured() {
        let mut run = History::default();
        apply(&mut run, STARTED);
        apply(&mut run, r#"{"event":"eval","step":1,"loss":0.5,"scores":{"f1":0.75},"best":true}"#);
        let end = Event::Finished(Finished { reason: Reason::Completed, step: 8, elapsed: 1.0, best: None });
        let notification = |notify, event: &Event| status(notify, &[]).ended(event, Some(&run));
        assert_eq!(notification(Notify::Off, &end), "");
        assert_eq!(notification(Notify::Bell, &end), "\x07");
        assert_eq!(notification(Notify::Osc9, &end), "\x1b]9;finesift: a, ]b completed, f1 0.7500\x07");
        assert_eq!(notification(Notify::Osc777, &end), "\x1b]777;notify;finesift;a, ]b completed, f1 0.7500\x07");
        assert_eq!(notification(Notify::Bell, &Event::info("x")), "");
    }

    #[test]
    fn an_alert_is_notified_as_configured() {
        let notification = |notify| status(notify, &[]).notification("a: loss 6 > 5; \u{1b}]");
        assert_eq!([Notify::Off, Notify::Bell].map(notification), ["", "\x07"]);
        assert_eq!(notification(Notify::Osc9), "\x1b]9;finesift: a: loss 6 > 5,  ]\x07");
        assert_eq!(notification(Notify::Osc777), "\x1b]777;notify;finesift;a: loss 6 > 5,  ]\x07");
    }
}
