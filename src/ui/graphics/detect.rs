//! Which graphics protocol the terminal has. Nothing is sent to a terminal that might print it, and a protocol counts only
//! if the terminal has answered.

use std::io::{self, IsTerminal};
use std::{env, fmt};

use super::picture::PixelSize;
use crate::ui::terminal_query;
use crate::ui::theme::Depth;

/// Asks for kitty's protocol, with an image of one pixel that is not shown.
const KITTY_QUESTION: &str = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\";

/// Asks for the size of a cell and of the text area in pixels (XTWINOPS).
const SIZE_QUESTION: &str = "\x1b[16t\x1b[14t";

/// A protocol for pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Kitty,
    Iterm2,
    Sixel,
}

/// Why a terminal shows no pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Standard input or output is none.
    NoTerminal,
    /// The screens are drawn in ASCII.
    Ascii,
    /// The terminal has 16 colours or fewer.
    FewColours,
    /// A terminal that prints the question, or is known to have no pictures.
    Unsuited,
    /// tmux without sixel, or screen.
    Multiplexer,
    NoAnswer,
    NoProtocol,
    NoCellSize,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Kitty => "kitty",
            Protocol::Iterm2 => "iTerm2",
            Protocol::Sixel => "sixel",
        })
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unavailable::NoTerminal => "stdin or stdout is no terminal",
            Unavailable::Ascii => "the screens are drawn in ASCII",
            Unavailable::FewColours => "the terminal has 16 colours or fewer",
            Unavailable::Unsuited => "this terminal has no pictures",
            Unavailable::Multiplexer => "tmux passes only sixel, if it is built with it, and screen nothing",
            Unavailable::NoAnswer => "the terminal does not say what it has",
            Unavailable::NoProtocol => "the terminal has neither kitty's, iTerm2's nor sixel graphics",
            Unavailable::NoCellSize => "the terminal does not say how many pixels a cell has",
        })
    }
}

/// A terminal that may be asked for pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    multiplexed: bool,
    /// Whether the environment names a terminal with iTerm2's protocol, which none can be asked for.
    iterm2: bool,
}

impl Probe {
    /// Whether the terminal of this process may be asked.
    ///
    /// # Errors
    /// Why it has no pictures.
    pub fn of_environment(ascii: bool, depth: Depth) -> Result<Probe, Unavailable> {
        let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        Probe::of(terminal, ascii, depth, |name| env::var(name).ok())
    }

    /// Whether a terminal may be asked: `terminal` if stdin and stdout are one, and what these variables say of it.
    ///
    /// # Errors
    /// Why it has no pictures.
    fn of(
        terminal: bool,
        ascii: bool,
        depth: Depth,
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<Probe, Unavailable> {
        let var = |name: &str| var(name).unwrap_or_default();
        let (term, program) = (var("TERM"), var("TERM_PROGRAM"));
        if !terminal {
            return Err(Unavailable::NoTerminal);
        }
        // Terminal.app and the console of Linux print what they do not know.
        if ["", "dumb", "linux"].contains(&term.as_str()) || program == "Apple_Terminal" {
            return Err(Unavailable::Unsuited);
        }
        if ascii {
            return Err(Unavailable::Ascii);
        }
        if matches!(depth, Depth::Ansi | Depth::None) {
            return Err(Unavailable::FewColours);
        }
        let tmux = !var("TMUX").is_empty() || term.starts_with("tmux");
        let screen = !var("STY").is_empty() || term.starts_with("screen");
        if screen && !tmux {
            return Err(Unavailable::Multiplexer);
        }
        let iterm2 = ["iTerm.app", "WezTerm"].contains(&program.as_str()) || var("LC_TERMINAL") == "iTerm2";
        Ok(Probe { multiplexed: tmux, iterm2 })
    }

    /// What to ask the terminal, before what every terminal answers (DA1).
    pub fn question(&self) -> String {
        // tmux takes kitty's question for a title of the pane.
        let kitty = if self.multiplexed { "" } else { KITTY_QUESTION };
        format!("{kitty}{SIZE_QUESTION}")
    }

    /// Asks the terminal.
    ///
    /// # Errors
    /// Why there are no pictures.
    pub fn ask(&self) -> Result<(Protocol, PixelSize), Unavailable> {
        self.decide(&terminal_query::ask(&self.question()).unwrap_or_default())
    }

    /// The protocol and the size of a cell, by the terminal's answers.
    ///
    /// # Errors
    /// Why there are no pictures.
    pub fn decide(&self, answer: &[u8]) -> Result<(Protocol, PixelSize), Unavailable> {
        let size = crossterm::terminal::size().unwrap_or_default();
        self.decide_with(answer, PixelSize::of_cell(), size)
    }

    /// The same for a terminal of this size, of which the system may know how large a cell is.
    fn decide_with(
        &self,
        answer: &[u8],
        cell: Option<PixelSize>,
        (columns, rows): (u16, u16),
    ) -> Result<(Protocol, PixelSize), Unavailable> {
        let answer = String::from_utf8_lossy(answer);
        let attributes = numbers(&answer, "\x1b[?", 'c').ok_or(Unavailable::NoAnswer)?;
        // The first number is the class of the terminal.
        let sixel = attributes.iter().skip(1).any(|attribute| *attribute == 4);
        let protocol = if !self.multiplexed && answer.contains("\x1b_Gi=31;OK") {
            Protocol::Kitty
        } else if !self.multiplexed && self.iterm2 {
            Protocol::Iterm2
        } else if sixel {
            Protocol::Sixel
        } else {
            return Err(if self.multiplexed { Unavailable::Multiplexer } else { Unavailable::NoProtocol });
        };
        let size = |prefix, (across, down): (u16, u16)| {
            let numbers = numbers(&answer, prefix, 't')?;
            let (height, width) = (*numbers.first()?, *numbers.get(1)?);
            Some(PixelSize { width: width.checked_div(across)?, height: height.checked_div(down)? })
        };
        let answered = || size("\x1b[6;", (1, 1)).or_else(|| size("\x1b[4;", (columns, rows)));
        let cell = cell.or_else(answered).filter(|cell| cell.is_plausible()).ok_or(Unavailable::NoCellSize)?;
        Ok((protocol, cell))
    }
}

/// The numbers of the first sequence with this start and end.
fn numbers(answer: &str, start: &str, end: char) -> Option<Vec<u16>> {
    answer.match_indices(start).find_map(|(at, _)| {
        let (numbers, _) = answer[at + start.len()..].split_once(end)?;
        // Kitty's attributes are `62;`.
        numbers.split(';').filter(|number| !number.is_empty()).map(|number| number.parse().ok()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: PixelSize = PixelSize { width: 10, height: 20 };

    fn probe(vars: &[(&str, &str)]) -> Result<Probe, Unavailable> {
        let var = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        Probe::of(true, false, Depth::of(var), var)
    }

    fn decided(vars: &[(&str, &str)], answer: &str) -> Result<Protocol, Unavailable> {
        let vars = [&[("COLORTERM", "truecolor")], vars].concat();
        Ok(probe(&vars)?.decide_with(answer.as_bytes(), Some(CELL), (80, 24))?.0)
    }

    #[test]
    fn a_terminal_has_what_it_answers() {
        let xterm = ("TERM", "xterm-256color");
        let kitty = "\x1b_Gi=31;OK\x1b\\\x1b[6;20;10t\x1b[?62;c";
        for (name, vars, answer, expected) in [
            ("kitty", &[("TERM", "xterm-kitty")][..], kitty, Ok(Protocol::Kitty)),
            ("Ghostty over ssh", &[xterm], "\x1b_Gi=31;OK\x1b\\\x1b[?62;22c", Ok(Protocol::Kitty)),
            ("foot", &[("TERM", "foot")], "\x1b[6;20;10t\x1b[?62;4;22;28c", Ok(Protocol::Sixel)),
            ("iTerm2 over ssh", &[xterm, ("LC_TERMINAL", "iTerm2")], "\x1b[?62;4c", Ok(Protocol::Iterm2)),
            ("WezTerm", &[xterm, ("TERM_PROGRAM", "WezTerm")], "\x1b[?65;4;6;18;22c", Ok(Protocol::Iterm2)),
            ("WezTerm with kitty's", &[xterm, ("TERM_PROGRAM", "WezTerm")], kitty, Ok(Protocol::Kitty)),
            ("xterm", &[xterm], "\x1b[?64;1;2;6;9;15;16;17;18;21;22;28c", Err(Unavailable::NoProtocol)),
            ("xterm -ti vt340", &[xterm], "\x1b[?63;1;2;4;6;9;15;22c", Ok(Protocol::Sixel)),
            ("VT400 class", &[xterm], "\x1b[?4;6c", Err(Unavailable::NoProtocol)),
            ("kitty's error", &[xterm], "\x1b_Gi=31;EINVAL\x1b\\\x1b[?62;c", Err(Unavailable::NoProtocol)),
            ("silent", &[xterm], "", Err(Unavailable::NoAnswer)),
            ("silent iTerm2", &[xterm, ("LC_TERMINAL", "iTerm2")], "q\x1b[", Err(Unavailable::NoAnswer)),
            ("tmux", &[("TERM", "tmux-256color")], "\x1b[?1;2c", Err(Unavailable::Multiplexer)),
            ("tmux in iTerm2", &[xterm, ("TMUX", "x"), ("LC_TERMINAL", "iTerm2")], "\x1b[?1;2;4c", Ok(Protocol::Sixel)),
            ("tmux over ssh", &[("TERM", "tmux-256color")], kitty, Err(Unavailable::Multiplexer)),
            ("screen", &[("TERM", "screen-256color")], kitty, Err(Unavailable::Multiplexer)),
            ("tmux as screen", &[("TERM", "screen"), ("TMUX", "x")], "\x1b[?1;2;4c", Ok(Protocol::Sixel)),
            ("console", &[("TERM", "linux")], kitty, Err(Unavailable::Unsuited)),
            ("dumb", &[("TERM", "dumb")], kitty, Err(Unavailable::Unsuited)),
            ("Terminal.app", &[xterm, ("TERM_PROGRAM", "Apple_Terminal")], kitty, Err(Unavailable::Unsuited)),
            ("NO_COLOR", &[xterm, ("NO_COLOR", "1")], kitty, Err(Unavailable::FewColours)),
        ] {
            assert_eq!(decided(vars, answer), expected, "{name}");
        }
        assert_eq!(probe(&[("TERM", "xterm")]), Err(Unavailable::FewColours));
        let var = |_: &str| Some("xterm-256color".to_owned());
        assert_eq!(Probe::of(false, false, Depth::True, var), Err(Unavailable::NoTerminal));
        assert_eq!(Probe::of(true, true, Depth::True, var), Err(Unavailable::Ascii));
    }

    #[test]
    fn tmux_is_not_asked_for_kittys_protocol() {
        let question = |vars: &[(&str, &str)]| probe(vars).unwrap().question();
        assert!(!question(&[("TERM", "tmux-256color")]).contains("\x1b_"));
        assert!(question(&[("TERM", "xterm-256color")]).contains("\x1b_G"));
    }

    #[test]
    fn the_size_of_a_cell_is_the_systems_or_the_terminals() {
        let foot = probe(&[("TERM", "foot-256color")]).unwrap();
        let decided = |answer: &str, cell| {
            foot.decide_with(answer.as_bytes(), cell, (80, 24)).map(|(_, cell)| (cell.width, cell.height))
        };
        assert_eq!(decided("\x1b[6;30;15t\x1b[?62;4c", Some(CELL)), Ok((10, 20)));
        assert_eq!(decided("\x1b[6;30;15t\x1b[4;480;800t\x1b[?62;4c", None), Ok((15, 30)));
        assert_eq!(decided("\x1b[4;480;800t\x1b[?62;4c", None), Ok((10, 20)));
        for nothing in ["\x1b[?62;4c", "\x1b[6;0;0t\x1b[?62;4c", "\x1b[6;1t\x1b[?62;4c", "\x1b[6;9999;9999t\x1b[?62;4c"]
        {
            assert_eq!(decided(nothing, None), Err(Unavailable::NoCellSize), "{nothing}");
        }
        assert_eq!(foot.decide_with(b"\x1b[4;480;800t\x1b[?62;4c", None, (0, 0)), Err(Unavailable::NoCellSize));
    }
}
