//! Where charts, legend and settings lie: below the table of runs, or on the whole screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};

use super::chart::ChartRole;
use super::metric::Metric;
use super::scene::Scene;
use super::view::Extent;
use super::{chart, legend, settings};

/// Columns from which legend and settings stand beside the charts.
const WIDE: u16 = 120;

/// The smallest chart of a grid.
const CHART: (u16, u16) = (34, 7);

/// What lies at a position of the screen.
pub enum Hit {
    Chart(Metric),
    /// A position on the x axis of the chart with the focus.
    X(f64),
}

/// The areas of a comparison.
struct Areas {
    /// Of the charts; number of the metric first.
    charts: Vec<(usize, Rect)>,
    legend: Rect,
    /// Empty where there is no room for settings.
    settings: Rect,
}

/// Draws the runs on an area.
pub fn draw(frame: &mut Frame, area: Rect, scene: Scene) {
    if area.is_empty() {
        return;
    }
    let (metrics, focus) = scene.view.metrics(scene.runs);
    let areas = Areas::of(area, scene, metrics.len(), focus);
    let Some(focused) = metrics.get(focus) else { return };
    match scene.view.settings.filter(|_| scene.view.shows_settings()) {
        Some(from) => settings::draw(frame, areas.all_charts(), scene, from),
        None => {
            for &(number, area) in &areas.charts {
                let role = match scene.view.extent {
                    Extent::Grid => ChartRole::InGrid { focused: number == focus },
                    Extent::Below | Extent::Single => ChartRole::Alone { number, of: metrics.len() },
                };
                if let Some(metric) = metrics.get(number) {
                    chart::draw(frame, area, scene, metric, role);
                }
            }
            if let Some((_, first)) = areas.charts.first() {
                chart::name_axis(frame, *first, scene);
            }
        }
    }
    legend::draw(frame, areas.legend, scene, focused);
    if !areas.settings.is_empty() {
        settings::draw(frame, areas.settings, scene, 0);
    }
}

/// What lies at a position, when the runs are drawn on this area.
pub fn hit(area: Rect, scene: Scene, at: Position) -> Option<Hit> {
    let (metrics, focus) = scene.view.metrics(scene.runs);
    let areas = Areas::of(area, scene, metrics.len(), focus);
    let (number, area) = areas.charts.into_iter().find(|(_, area)| area.contains(at))?;
    let metric = metrics.into_iter().nth(number)?;
    if scene.view.shows_settings() {
        None
    } else if number == focus {
        chart::x_at(scene, area, &metric, at.x).map(Hit::X)
    } else {
        Some(Hit::Chart(metric))
    }
}

impl Areas {
    fn of(area: Rect, scene: Scene, metrics: usize, focus: usize) -> Areas {
        let open = scene.view.is_open();
        let beside = area.width >= WIDE || !open;
        let (charts, legend, settings) = if beside { split_beside(area, scene) } else { split_below(area, scene) };
        let charts = match scene.view.extent {
            Extent::Grid => grid(charts, metrics, focus),
            Extent::Below | Extent::Single => vec![(focus, charts)],
        };
        Areas { charts, legend, settings }
    }

    fn all_charts(&self) -> Rect {
        self.charts.iter().map(|(_, area)| *area).reduce(Rect::union).unwrap_or_default()
    }
}

/// Charts at the left, legend and settings at the right.
fn split_beside(area: Rect, scene: Scene) -> (Rect, Rect, Rect) {
    let width = match area.width {
        160.. => 62,
        WIDE.. => 52,
        width => width / 2,
    };
    let [charts, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(width)]).areas(area);
    let height = legend::height(scene);
    if area.width < WIDE || right.height < height + 3 {
        return (charts, right, Rect::ZERO);
    }
    let [legend, settings] = Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(right);
    (charts, legend, settings)
}

/// Charts above, the legend below; the settings take the place of the charts on request.
fn split_below(area: Rect, scene: Scene) -> (Rect, Rect, Rect) {
    let height = legend::height(scene).min(area.height / 2);
    let [charts, legend] = Layout::vertical([Constraint::Fill(1), Constraint::Length(height)]).areas(area);
    (charts, legend, Rect::ZERO)
}

/// As many charts as have room, those around the focus, in columns of one width so that their x axes line up.
fn grid(area: Rect, metrics: usize, focus: usize) -> Vec<(usize, Rect)> {
    let most = usize::from((area.height / CHART.1).max(1));
    let blanks = |columns: usize| metrics.div_ceil(columns).min(most) * columns - metrics.min(most * columns);
    let widest = usize::from((area.width / CHART.0).clamp(1, 3)).min(metrics.max(1));
    // On one page, with as few empty places as can be, in as many columns as can be.
    let rank = |columns: &usize| (metrics <= most * columns, std::cmp::Reverse(blanks(*columns)), *columns);
    let columns = (1..=widest).max_by_key(rank).unwrap_or(1);
    let rows = metrics.div_ceil(columns).clamp(1, most);
    let first = focus / (columns * rows) * (columns * rows);
    let lines = Layout::vertical((0..rows).map(|_| Constraint::Fill(1))).split(area);
    let cells = lines.iter().flat_map(|line| {
        let cells = Layout::horizontal((0..columns).map(|_| Constraint::Fill(1))).split(*line);
        cells.to_vec()
    });
    (first..metrics).zip(cells).collect()
}
