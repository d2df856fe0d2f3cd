//! What the terminal can do, as far as its size and the environment tell.

use super::finding::{Finding, Sign};
use crate::ui::graphics::{Protocol, Unavailable};
use crate::ui::theme::Depth;
use crate::ui::{Charset, MIN_SIZE};

/// What is known of a terminal; `None` where it depends on its settings or version.
struct Known {
    name: &'static str,
    /// Variables and the values they begin with; any of them names the terminal.
    signs: &'static [(&'static str, &'static str)],
    /// Whether programs can set the clipboard (OSC 52).
    clipboard: Option<bool>,
    /// Whether it shows notifications (OSC 9).
    notifications: Option<bool>,
}

const fn known(
    name: &'static str,
    signs: &'static [(&'static str, &'static str)],
    clipboard: Option<bool>,
    notifications: Option<bool>,
) -> Known {
    Known { name, signs, clipboard, notifications }
}

/// The terminals that the environment names.
const TERMINALS: [Known; 12] = [
    known("Linux console", &[("TERM", "linux")], Some(false), Some(false)),
    known("kitty", &[("KITTY_WINDOW_ID", ""), ("TERM", "xterm-kitty")], Some(true), Some(true)),
    known("Ghostty", &[("TERM_PROGRAM", "ghostty"), ("TERM", "xterm-ghostty")], Some(true), Some(true)),
    known("WezTerm", &[("TERM_PROGRAM", "WezTerm")], Some(true), Some(true)),
    known("iTerm2", &[("TERM_PROGRAM", "iTerm.app"), ("LC_TERMINAL", "iTerm2")], Some(true), Some(true)),
    known("foot", &[("TERM", "foot")], Some(true), Some(true)),
    known("Alacritty", &[("TERM", "alacritty"), ("ALACRITTY_WINDOW_ID", "")], Some(true), Some(false)),
    known("Windows Terminal", &[("WT_SESSION", "")], Some(true), None),
    known("VS Code", &[("TERM_PROGRAM", "vscode")], Some(true), Some(false)),
    known("Terminal.app", &[("TERM_PROGRAM", "Apple_Terminal")], Some(false), Some(false)),
    known("Konsole", &[("KONSOLE_VERSION", "")], None, Some(false)),
    known("VTE", &[("VTE_VERSION", "")], Some(false), Some(false)),
];

/// The findings about a terminal of this size, `None` if stdout is none, with these graphics.
pub(super) fn findings(
    size: Option<(u16, u16)>,
    graphics: Result<Protocol, Unavailable>,
    var: impl Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let set = |name: &str| var(name).filter(|value| !value.is_empty());
    let term = set("TERM").unwrap_or_default();
    let known = TERMINALS.iter().find(|known| {
        known.signs.iter().any(|(name, begins)| set(name).is_some_and(|value| value.starts_with(begins)))
    });
    let name = known.map_or("unknown", |known| known.name);
    let term_set = if term.is_empty() { "TERM is not set".to_owned() } else { format!("TERM={term}") };
    let usable = !["", "dumb"].contains(&term.as_str());
    let mut findings = vec![
        Finding::of(usable, "terminal", format!("{name}, {term_set}")),
        window(size),
        colours(&var),
        characters(Charset::of(&var)),
        Finding::of(usable && term != "linux", "mouse", mouse(usable && term != "linux").into()),
    ];
    let multiplexer = ["TMUX", "STY"].into_iter().find(|name| set(name).is_some());
    findings.extend(multiplexer.map(through));
    let word = |feature: Option<bool>, yes: &str, no: &str| match feature {
        Some(true) => (Sign::Good, yes.to_owned()),
        Some(false) => (Sign::Warning, no.to_owned()),
        None => (Sign::Warning, format!("unknown; {yes}, if the terminal supports it")),
    };
    let (sign, text) = word(
        known.and_then(|known| known.clipboard),
        "y on the Runs screen copies a path (OSC 52)",
        "this terminal does not let programs copy (OSC 52)",
    );
    findings.push(Finding::new(sign, "clipboard", text));
    let (sign, text) = word(
        known.and_then(|known| known.notifications),
        "notify = \"osc9\" in config.toml announces the end of a run",
        "no notifications by OSC 9; notify = \"bell\" rings instead",
    );
    findings.push(Finding::new(sign, "notification", text));
    findings.push(match graphics {
        Ok(protocol) => {
            let text = format!("{protocol}; charts are drawn in pixels, unless charts = \"braille\" in config.toml");
            Finding::new(Sign::Good, "graphics", text)
        }
        Err(why) => Finding::new(Sign::Warning, "graphics", format!("none: {why}; charts are drawn in characters")),
    });
    findings
}

fn window(size: Option<(u16, u16)>) -> Finding {
    match size {
        None => Finding::new(Sign::Warning, "size", "stdout is no terminal".into()),
        Some((columns, rows)) => {
            let fits = columns >= MIN_SIZE.0 && rows >= MIN_SIZE.1;
            let need = if fits { String::new() } else { format!("; the screens need {} x {}", MIN_SIZE.0, MIN_SIZE.1) };
            Finding::of(fits, "size", format!("{columns} x {rows}{need}"))
        }
    }
}

fn colours(var: impl Fn(&str) -> Option<String>) -> Finding {
    let (sign, text) = match Depth::of(var) {
        Depth::True => (Sign::Good, "16 million"),
        Depth::Indexed => (Sign::Good, "256; COLORTERM=truecolor promises more"),
        Depth::Ansi => (Sign::Warning, "16; TERM=xterm-256color or COLORTERM=truecolor promises more"),
        Depth::None => (Sign::Warning, "none (NO_COLOR is set, or TERM=dumb)"),
    };
    Finding::new(sign, "colours", text.into())
}

fn characters(charset: Charset) -> Finding {
    let ascii = "the screens are drawn in ASCII; `ascii = false` in config.toml overrides that";
    match charset {
        Charset::Unicode(locale) => Finding::new(Sign::Good, "characters", format!("UTF-8 ({locale})")),
        Charset::Unknown => {
            let text = "no locale is set, UTF-8 is assumed; `ascii = true` in config.toml, or LANG=C.UTF-8, decides";
            Finding::new(Sign::Warning, "characters", text.into())
        }
        Charset::Locale(locale) => Finding::new(Sign::Warning, "characters", format!("{locale} is not UTF-8: {ascii}")),
        Charset::Terminal(term) => {
            Finding::new(Sign::Warning, "characters", format!("TERM={term} has no braille: {ascii}"))
        }
    }
}

fn mouse(has: bool) -> &'static str {
    if has { "clicks and the wheel; hold shift to select text" } else { "none" }
}

fn through(variable: &str) -> Finding {
    let text = match variable {
        "TMUX" => {
            "tmux: needs `set -g mouse on`, `set -g set-clipboard on`, and `set -g allow-passthrough on` for \
             notifications; of pictures it passes sixel, if it is built with it"
        }
        _ => "screen: passes keys, the mouse and 256 colours; no clipboard, notifications or pictures",
    };
    Finding::new(Sign::Warning, "within", text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(size: Option<(u16, u16)>, graphics: Result<Protocol, Unavailable>, vars: &[(&str, &str)]) -> String {
        let var = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        findings(size, graphics, var).iter().map(|finding| finding.line(true)).collect()
    }

    #[test]
    fn a_terminal_with_everything() {
        let vars = [("TERM", "xterm-kitty"), ("KITTY_WINDOW_ID", "1"), ("COLORTERM", "truecolor"), ("LANG", "C.UTF-8")];
        let said = of(Some((120, 40)), Ok(Protocol::Kitty), &vars);
        assert!(said.lines().all(|line| line.starts_with("ok")), "{said}");
        assert!(said.contains("kitty, TERM=xterm-kitty") && said.contains("120 x 40"), "{said}");
    }

    #[test]
    fn what_is_missing_is_said_with_what_to_do() {
        let said = of(Some((50, 10)), Err(Unavailable::Unsuited), &[("TERM", "linux"), ("LANG", "C")]);
        for part in ["!   size", "need 60 x 16", "TERM=linux has no braille", "!   mouse", "!   graphics"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let said =
            of(None, Err(Unavailable::NoTerminal), &[("TERM", "tmux-256color"), ("TMUX", "x"), ("LC_ALL", "POSIX")]);
        for part in ["stdout is no terminal", "LC_ALL=POSIX is not UTF-8", "allow-passthrough", "unknown, TERM=tmux"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}
