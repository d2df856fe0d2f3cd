//! The Selected panel: trained components by kind of module.

use std::collections::BTreeMap;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::panel::Panel;
use super::scene::Scene;
use crate::protocol::{Selected, TrainingMethod};
use crate::ui::format::{fitted_end, grouped, number, percent, width};
use crate::ui::widgets::panel::{Title, panel, placeholder};

/// Draws the number of trained components per kind of module, and the gradient mass they cover.
pub(super) fn draw(frame: &mut Frame, area: Rect, scene: Scene) {
    let theme = &scene.look.theme;
    let selected = scene.run.selected.as_ref();
    // Other methods than SIFT select nothing: all that they train is dense.
    let dense = scene.run.started.as_ref().is_some_and(|started| started.method_words().is_some());
    let trained = selected.map(|selected| if dense { selected.dense } else { selected.total });
    let title = Title {
        name: if dense { "Trainable" } else { "Selected" },
        values: trained.map(|trained| Span::styled(grouped(trained), theme.bold(theme.selected))).into_iter().collect(),
        note: selected
            .filter(|selected| selected.total > 0)
            .map(|selected| {
                let share = 100.0 * selected.total as f64 / selected.of.max(1) as f64;
                format!("{} of {}", percent(share), number(selected.of as f64))
            })
            .unwrap_or_default(),
    };
    let inner = panel(frame, area, scene.look, scene.view.focus == Panel::Selected, title);
    let Some(selected) = selected else {
        return placeholder(frame, inner, scene.look, "waiting for the selection");
    };
    let rows = by_module(selected, scene);
    let largest = rows.iter().map(|row| row.selected).max().unwrap_or(1).max(1);
    let label = rows.iter().map(|row| width(&row.name)).max().unwrap_or(0).min(usize::from(inner.width) * 2 / 5);
    let digits = rows.iter().map(|row| grouped(row.selected).len()).max().unwrap_or(0).max(8);
    // A number that is cut off would be read as another one; a name ends with an ellipsis.
    let label = label.min(usize::from(inner.width).saturating_sub(digits + 11));
    let bar_room = usize::from(inner.width).saturating_sub(label + digits + 11);
    for (row, y) in rows.iter().zip(inner.top()..inner.bottom()) {
        let full = ((row.selected * bar_room as u64) / largest) as usize;
        let mass = row.mass.map(|mass| format!("{mass:>5.1} %")).unwrap_or_default();
        let symbol = if scene.look.ascii { "=" } else { "▇" };
        let line = Line::from(vec![
            Span::styled(fitted_end(&row.name, label, scene.look.ascii) + " ", theme.style(theme.dim)),
            Span::styled(symbol.repeat(full.max(1)), theme.style(theme.selected)),
            Span::raw(" ".repeat(bar_room.saturating_sub(full.max(1)))),
            Span::styled(format!(" {:>digits$}", grouped(row.selected)), theme.style(theme.text)),
            Span::styled(format!("{mass:>8}"), theme.style(theme.mass)),
        ]);
        frame.render_widget(line, Rect { y, height: 1, ..inner });
    }
}

/// The targets of one kind of module, in all layers.
struct ModuleRow {
    name: String,
    selected: u64,
    /// Gradient mass covered, in percent: the mean over layers.
    mass: Option<f64>,
}

/// Targets grouped by their name within a layer; dense parameters come last.
fn by_module(selected: &Selected, scene: Scene) -> Vec<ModuleRow> {
    let masses: BTreeMap<&str, f64> = match &scene.run.latest_mass {
        Some(mass) => mass.targets.iter().map(|target| (target.name.as_str(), target.mass)).collect(),
        None => BTreeMap::new(),
    };
    let mut rows: Vec<(ModuleRow, u64)> = Vec::new();
    for target in &selected.targets {
        let name = module(&target.name);
        if !rows.iter().any(|(row, _)| row.name == name) {
            rows.push((ModuleRow { name: name.clone(), selected: 0, mass: None }, 0));
        }
        if let Some((row, measured)) = rows.iter_mut().find(|(row, _)| row.name == name) {
            row.selected += target.selected;
            if let Some(&mass) = masses.get(target.name.as_str()).filter(|_| !target.name.ends_with("bias")) {
                row.mass = Some((row.mass.unwrap_or(0.0) * *measured as f64 + mass) / (*measured + 1) as f64);
                *measured += 1;
            }
        }
    }
    let mut rows: Vec<ModuleRow> = rows.into_iter().map(|(row, _)| row).collect();
    if selected.dense > 0 {
        let name = match scene.run.started.as_ref().map(|started| started.method) {
            Some(TrainingMethod::Full) => "all parameters",
            Some(TrainingMethod::Lora) => "LoRA and dense",
            _ => "dense (head)",
        };
        rows.push(ModuleRow { name: name.into(), selected: selected.dense, mass: None });
    }
    rows
}

/// The module of a parameter: `bert.encoder.layer.3.attention.self.query.weight` is `query`. Generic names such as `dense`
/// keep their parents.
fn module(name: &str) -> String {
    let within = name.rsplit_once('.').map_or(name, |(module, _)| module);
    let after_number = within.rfind(|c: char| c.is_ascii_digit()).map_or(0, |at| at + 1);
    let path = within[after_number..].trim_start_matches('.');
    match path.rsplit_once('.') {
        Some((_, last)) if last != "dense" && last != "LayerNorm" => last.to_owned(),
        _ => path.to_owned(),
    }
}
