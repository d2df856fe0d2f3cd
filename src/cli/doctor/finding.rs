//! A line of the report: a sign, what was checked, and what was found.

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Good,
    /// It works, with something less.
    Warning,
    Bad,
}

pub(super) struct Finding {
    sign: Sign,
    what: String,
    value: String,
}

impl Finding {
    pub fn new(sign: Sign, what: impl Into<String>, value: String) -> Finding {
        Finding { sign, what: what.into(), value }
    }

    /// A good finding, or a warning.
    pub fn of(good: bool, what: impl Into<String>, value: String) -> Finding {
        Finding::new(if good { Sign::Good } else { Sign::Warning }, what, value)
    }

    /// `✓ memory        14.1 GiB of 15.6 GiB available`; in ASCII `ok  memory`.
    pub fn line(&self, ascii: bool) -> String {
        let sign = match (self.sign, ascii) {
            (Sign::Good, false) => "✓",
            (Sign::Bad, false) => "✗",
            (Sign::Warning, false) => "!",
            (Sign::Good, true) => "ok ",
            (Sign::Bad, true) => "x  ",
            (Sign::Warning, true) => "!  ",
        };
        format!("{sign} {:<12}  {}\n", self.what, self.value)
    }
}
