//! How the state of a run is marked: a colour, and a sign where there are no colours.

use crate::runs::RunState;
use crate::ui::theme::{Hue, Look};

/// The colour and the sign of a state.
pub fn sign(state: RunState, look: &Look) -> (Hue, &'static str) {
    let theme = &look.theme;
    match (state, look.ascii) {
        (RunState::Running, false) => (theme.accent, "▶"),
        (RunState::Running, true) => (theme.accent, ">"),
        (RunState::EarlyStopped, false) => (theme.good, "✔"),
        (RunState::EarlyStopped, true) => (theme.good, "+"),
        (RunState::Completed, false) => (theme.good, "✔"),
        (RunState::Completed, true) => (theme.good, "+"),
        (RunState::Stopped, false) => (theme.paused, "■"),
        (RunState::Stopped, true) => (theme.paused, "="),
        (RunState::Interrupted, false) => (theme.warning, "◌"),
        (RunState::Interrupted, true) => (theme.warning, "?"),
        (RunState::Failed, false) => (theme.error, "✖"),
        (RunState::Failed, true) => (theme.error, "x"),
    }
}
