//! What a terminal shows outside of its screen: the window's title, progress in the taskbar, word of a run's end.
//!
//! All of it is made here as text and written elsewhere, and only when it has changed.

use super::format::{plain, score};
use super::monitor::{End, Run};
use crate::config::Notify;
use crate::protocol::{Event, Phase, Reason};

/// Keeps the title that a terminal had, for [`RESTORE_TITLE`].
pub const KEEP_TITLE: &str = "\x1b[22;2t";

/// Brings it back. A terminal that keeps none has an empty one then.
pub const RESTORE_TITLE: &str = "\x1b]2;\x07\x1b[23;2t";

/// Takes progress from the taskbar.
pub const NO_PROGRESS: &str = "\x1b]9;4;0\x07";

/// What the terminal understands, and what it was told last.
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
    /// As the environment says. A terminal that is not known gets nothing that it could print as text.
    pub fn new(notify: Notify, var: impl Fn(&str) -> Option<String>) -> TerminalStatus {
        let has = |name| var(name).is_some_and(|value| !value.is_empty());
        let term = var("TERM").unwrap_or_default();
        let within = has("TMUX") || has("STY");
        let program = var("TERM_PROGRAM").unwrap_or_default();
        // WezTerm took the sequence for a notification before.
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

    /// What to write so that title and taskbar show the state; empty if they do.
    pub fn update(&mut self, run: Option<&Run>) -> String {
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

    /// What to write at a run's end, if this is one and word of it is wanted.
    pub fn ended(&self, event: &Event, run: Option<&Run>) -> String {
        let how = match event {
            Event::Finished(finished) if finished.reason == Reason::Completed => "completed",
            Event::Finished(_) => "stopped",
            Event::Failed { .. } => "failed",
            _ => return String::new(),
        };
        let started = run.and_then(|run| run.started.as_ref());
        let name = started.map(|started| word(&started.run)).unwrap_or_default();
        let best = run.and_then(|run| run.best.as_ref()).zip(started);
        let best = best.and_then(|(best, started)| {
            Some(format!(", {} {}", word(&started.best), score(*best.scores.get(&started.best)?)))
        });
        let text = format!("{name} {how}{}", best.unwrap_or_default());
        match self.notify {
            Notify::Off => String::new(),
            Notify::Bell => "\x07".into(),
            Notify::Osc9 => format!("\x1b]9;finesift: {text}\x07"),
            Notify::Osc777 => format!("\x1b]777;notify;finesift;{text}\x07"),
        }
    }
}

/// A text from a run without what would end a sequence.
fn word(text: &str) -> String {
    plain(text).replace(';', ",").chars().take(60).collect()
}

/// Percent of the steps that the live run has taken.
fn percent(run: &Run) -> Option<u64> {
    let (started, step) = (run.started.as_ref()?, run.step.as_ref()?);
    Some((u128::from(step.step) * 100 / u128::from(started.steps.max(1))).min(100) as u64)
}

fn title(run: Option<&Run>) -> String {
    let Some(run) = run else { return "finesift".into() };
    let name = run.started.as_ref().map(|started| word(&started.run)).unwrap_or_default();
    let state = match (&run.end, run.phase, percent(run)) {
        (Some(End::Finished(finished)), ..) if finished.reason == Reason::Completed => "completed".to_owned(),
        (Some(End::Finished(_)), ..) => "stopped".into(),
        (Some(End::Failed(..)), ..) => "failed".into(),
        (None, Some(Phase::Paused), _) => "paused".into(),
        (None, _, Some(percent)) => format!("{percent}%"),
        (None, _, None) => "preparing".into(),
    };
    format!("{state} {name} - finesift").replace("  ", " ")
}

/// State and percent: 0 none, 1 as usual, 2 failed, 3 unknown, 4 paused.
fn bar(run: Option<&Run>) -> String {
    let Some(run) = run else { return "0".into() };
    match (&run.end, run.phase, percent(run)) {
        (Some(End::Failed(..)), _, percent) => format!("2;{}", percent.unwrap_or(100)),
        (Some(End::Finished(_)), ..) => "0".into(),
        (None, Some(Phase::Paused), Some(percent)) => format!("4;{percent}"),
        (None, _, Some(percent)) => format!("1;{percent}"),
        (None, _, None) => "3".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Finished;

    fn announcer(notify: Notify, vars: &[(&str, &str)]) -> TerminalStatus {
        TerminalStatus::new(notify, |name| {
            vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
        })
    }

    fn apply(run: &mut Run, line: &str) {
        run.apply(serde_json::from_str(line).unwrap());
    }

    const STARTED: &str = r#"{"event":"started","run":"a;\u001b]b","preset":"demo","model":"m","data":"d","device":"cpu","dtype":"f32","examples":1,"eval_examples":1,"steps":8,"epochs":1.0,"batch":1,"rate":0.1,"select":"gradient","parameters":1,"best":"f1","version":"0"}"#;
    const STEP: &str = r#"{"event":"step","step":2,"epoch":0.1,"loss":0.5,"learning_rate":0.1,"grad_norm":1.0,"tokens_per_second":1.0}"#;

    #[test]
    fn title_and_taskbar_are_written_when_they_change() {
        let mut run = Run::default();
        let mut announcer = announcer(Notify::Off, &[("TERM", "xterm-256color"), ("WT_SESSION", "x")]);
        assert_eq!(announcer.update(None), "\x1b]2;finesift\x07\x1b]9;4;0\x07");
        assert_eq!(announcer.update(None), "");
        apply(&mut run, STARTED);
        apply(&mut run, STEP);
        // Nothing of a name can end the sequence.
        assert_eq!(announcer.update(Some(&run)), "\x1b]2;25% a, ]b - finesift\x07\x1b]9;4;1;25\x07");
        apply(&mut run, STEP);
        assert_eq!(announcer.update(Some(&run)), "");
        apply(&mut run, r#"{"event":"phase","phase":"paused"}"#);
        assert_eq!(announcer.update(Some(&run)), "\x1b]2;paused a, ]b - finesift\x07\x1b]9;4;4;25\x07");
        apply(&mut run, r#"{"event":"failed","error":"x"}"#);
        assert_eq!(announcer.update(Some(&run)), "\x1b]2;failed a, ]b - finesift\x07\x1b]9;4;2;25\x07");
    }

    #[test]
    fn only_terminals_that_are_known_are_told() {
        let can = |vars: &[(&str, &str)]| {
            let announcer = announcer(Notify::Off, vars);
            (announcer.titled, announcer.progress)
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
    fn the_end_of_a_run_is_told_as_it_was_asked_for() {
        let mut run = Run::default();
        apply(&mut run, STARTED);
        apply(&mut run, r#"{"event":"eval","step":1,"loss":0.5,"scores":{"f1":0.75},"best":true}"#);
        let end = Event::Finished(Finished { reason: Reason::Completed, step: 8, elapsed: 1.0, best: None });
        let told = |notify, event: &Event| announcer(notify, &[]).ended(event, Some(&run));
        assert_eq!(told(Notify::Off, &end), "");
        assert_eq!(told(Notify::Bell, &end), "\x07");
        assert_eq!(told(Notify::Osc9, &end), "\x1b]9;finesift: a, ]b completed, f1 0.7500\x07");
        assert_eq!(told(Notify::Osc777, &end), "\x1b]777;notify;finesift;a, ]b completed, f1 0.7500\x07");
        assert_eq!(told(Notify::Bell, &Event::info("x")), "");
    }
}
