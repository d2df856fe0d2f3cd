//! The figures of a landscape.

use super::outcome::{Around, Landscape, Slice, Weights};
use crate::analysis::{Axis, Band, Curve, Figure, HeatMap, Plot, Scale};

impl Landscape {
    pub(super) fn mean_figure(&self) -> Figure {
        let curves = self.weights.iter().map(|around| {
            let at = |place: usize| around.lines.iter().map(move |line| line[place]);
            let count = around.lines.len() as f64;
            let over = |fold: fn(f64, f64) -> f64, from: f64| {
                (0..self.steps.len()).map(|place| at(place).fold(from, fold)).collect::<Vec<f64>>()
            };
            let mean = over(|sum, loss| sum + loss, 0.0).into_iter().map(|sum| sum / count);
            let band = Band { low: over(f64::min, f64::INFINITY), high: over(f64::max, f64::NEG_INFINITY) };
            Curve {
                name: around.weights.name(),
                points: self.steps.iter().copied().zip(mean).collect(),
                band: Some(band),
            }
        });
        Figure {
            name: "random_directions".into(),
            title: "Loss along random directions: mean, lowest, highest".into(),
            x: linear(STEP_LABEL),
            y: linear("loss"),
            plot: Plot::Curves(curves.collect()),
        }
    }

    /// The lines around one set of weights, on a scale of their own.
    pub(super) fn lines_figure(&self, around: &Around) -> Figure {
        let curve = |(number, line): (usize, &Vec<f64>)| Curve {
            name: format!("direction {}", number + 1),
            points: self.steps.iter().copied().zip(line.iter().copied()).collect(),
            band: None,
        };
        let name = match around.weights {
            Weights::PreTrained => "directions_pretrained",
            Weights::Trained(_) => "directions_trained",
            Weights::Random => "directions_random_initialisation",
        };
        Figure {
            name: name.into(),
            title: format!("Loss along random directions, {}", around.weights.name()),
            x: linear(STEP_LABEL),
            y: linear("loss"),
            plot: Plot::Curves(around.lines.iter().enumerate().map(curve).collect()),
        }
    }

    pub(super) fn increment_figure(&self) -> Option<Figure> {
        let increment = self.increment.as_ref()?;
        let curve = |name: &str, losses: &[f64]| Curve {
            name: name.into(),
            points: increment.steps.iter().copied().zip(losses.iter().copied()).collect(),
            band: None,
        };
        Some(Figure {
            name: "increment".into(),
            title: "Loss along the trained increment: W0 at 0, W at 1".into(),
            x: linear(INCREMENT_LABEL),
            y: linear("loss"),
            plot: Plot::Curves(vec![curve("training", &increment.training), curve("held-out", &increment.held_out)]),
        })
    }

    pub(super) fn slice_figure(&self) -> Figure {
        let Slice { xs, ys, losses } = self.slice.clone();
        let (title, x, y, marks) = match self.increment {
            Some(_) => (
                "Loss on the plane of the increment and a random direction",
                INCREMENT_LABEL,
                "\u{3b2} of a random direction",
                vec![(0.0, 0.0, "W0".to_owned()), (1.0, 0.0, "W".to_owned())],
            ),
            None => (
                "Loss on the plane of two random directions, pre-trained",
                "\u{3b1} of direction 1",
                "\u{3b2} of direction 2",
                vec![(0.0, 0.0, "W0".to_owned())],
            ),
        };
        let plot = Plot::HeatMap(HeatMap { xs, ys, values: losses, label: "loss".into(), marks });
        Figure { name: "slice".into(), title: title.into(), x: linear(x), y: linear(y), plot }
    }
}

const STEP_LABEL: &str = "\u{3b1} (1: each row changed by its norm)";
const INCREMENT_LABEL: &str = "\u{3b1} of W0 + \u{3b1} (W \u{2212} W0)";

fn linear(label: &str) -> Axis {
    Axis { label: label.into(), scale: Scale::Linear }
}
