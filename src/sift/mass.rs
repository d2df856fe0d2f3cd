//! Gradient mass covered: how much of the gradient the selection covers, and so whether it still fits.

use std::ops::Range;

use tch::{Device, Kind, Tensor};

/// Gradient mass covered, in percent.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientMass {
    /// That of each target measured.
    pub targets: Vec<SlotMass>,
    /// Over all of them: 100 · √(Σ ‖selected‖² / Σ ‖all‖²).
    pub overall: f64,
}

/// Gradient mass covered of a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlotMass {
    /// The target's slot.
    pub slot: usize,
    /// 100 · ‖selected‖ / ‖all‖.
    pub percent: f64,
}

/// The latest measurement of each target.
pub struct Coverage {
    /// Per target the squared norms of the selected components and of all: fp32 `[2]` on the device.
    squares: Vec<Option<Tensor>>,
}

impl Coverage {
    /// For this many targets, none measured yet.
    pub fn new(targets: usize) -> Coverage {
        Coverage { squares: (0..targets).map(|_| None).collect() }
    }

    /// Measures a target from its gradient `[any shape]` and that of its selected components `[k]`. Nothing is read from the
    /// device.
    pub fn measure(&mut self, target: usize, gradient: &Tensor, selected: &Tensor) {
        let square = |tensor: &Tensor| tensor.to_kind(Kind::Float).square().sum(Kind::Float);
        self.put(target, &square(selected), &square(gradient));
    }

    /// Puts a target's measurement: the squared norms of the selected components and of all, fp32 scalars on the device.
    pub fn put(&mut self, target: usize, selected: &Tensor, all: &Tensor) {
        self.squares[target] = Some(Tensor::stack(&[selected, all], 0));
    }

    /// Puts measurements of some targets: the same, fp32 `[targets, 2]` on the device.
    pub fn put_all(&mut self, targets: &[usize], squares: &Tensor) {
        for (target, squares) in targets.iter().zip(squares.unbind(0)) {
            self.squares[*target] = Some(squares);
        }
    }

    /// The latest measurements of these targets, to [put back](Coverage::put_back) later.
    pub fn latest(&self, targets: Range<usize>) -> Vec<Option<Tensor>> {
        let squares = &self.squares[targets];
        squares.iter().map(|squares| squares.as_ref().map(Tensor::shallow_clone)).collect()
    }

    /// Puts back measurements that [`Coverage::latest`] gave.
    pub fn put_back(&mut self, targets: Range<usize>, latest: Vec<Option<Tensor>>) {
        self.squares.splice(targets, latest);
    }

    /// All measurements, for a checkpoint: fp32 `[targets, 2]` on the CPU, NaN where nothing was measured.
    pub fn state(&self) -> Tensor {
        let rows: Vec<Tensor> = self
            .squares
            .iter()
            .map(|squares| match squares {
                Some(squares) => squares.to_device(Device::Cpu),
                None => Tensor::full([2], f64::NAN, (Kind::Float, Device::Cpu)),
            })
            .collect();
        if rows.is_empty() { Tensor::zeros([0, 2], (Kind::Float, Device::Cpu)) } else { Tensor::stack(&rows, 0) }
    }

    /// Restores what [`Coverage::state`] gave, for as many targets.
    pub fn restore(&mut self, state: &Tensor, device: Device) {
        for (target, squares) in self.squares.iter_mut().enumerate() {
            let kept = state.get(target as i64);
            *squares = (kept.isnan().any().int64_value(&[]) == 0).then(|| kept.to_device(device));
        }
    }

    /// The latest measurements, in one read-out from the device; `None` before the first.
    ///
    /// A gradient that is zero everywhere counts as covered: 100.
    pub fn read(&self) -> Option<GradientMass> {
        let (numbers, measured): (Vec<usize>, Vec<&Tensor>) =
            self.squares.iter().enumerate().filter_map(|(number, squares)| Some((number, squares.as_ref()?))).unzip();
        if measured.is_empty() {
            return None;
        }
        let flat = Tensor::stack(&measured, 0).to_kind(Kind::Double).flatten(0, -1);
        let squares: Vec<f64> = Vec::try_from(flat).unwrap_or_default();
        let pairs = || squares.chunks_exact(2);
        let percent = |selected: f64, all: f64| if all == 0.0 { 100.0 } else { 100.0 * (selected / all).sqrt() };
        let target = |(slot, pair): (usize, &[f64])| SlotMass { slot, percent: percent(pair[0], pair[1]) };
        Some(GradientMass {
            targets: numbers.into_iter().zip(pairs()).map(target).collect(),
            overall: percent(pairs().map(|pair| pair[0]).sum(), pairs().map(|pair| pair[1]).sum()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{on_test_device, test_device};

    fn vector(values: &[f32]) -> Tensor {
        on_test_device(Tensor::from_slice(values))
    }

    #[test]
    fn overall_mass_is_that_of_all_targets_together() {
        let mut coverage = Coverage::new(3);
        assert!(coverage.read().is_none());
        coverage.measure(0, &vector(&[3f32, 4.0]), &vector(&[3f32]));
        coverage.measure(2, &vector(&[0f32, 12.0]), &vector(&[12f32]));
        let GradientMass { targets, overall } = coverage.read().unwrap();
        assert_eq!(targets.len(), 2);
        assert!((targets[0].percent - 60.0).abs() < 1e-4 && targets[0].slot == 0);
        assert!((targets[1].percent - 100.0).abs() < 1e-4 && targets[1].slot == 2);
        assert!((overall - 100.0 * (153f64 / 169.0).sqrt()).abs() < 1e-4, "{overall}");
        let latest = coverage.latest(1..3);
        coverage.measure(1, &vector(&[f32::NAN]), &vector(&[f32::NAN]));
        coverage.measure(2, &vector(&[1f32]), &vector(&[0f32]));
        coverage.put_back(1..3, latest);
        assert_eq!(coverage.read().unwrap().targets, targets);
        let mut kept = Coverage::new(3);
        kept.restore(&coverage.state(), test_device());
        assert_eq!(kept.read(), coverage.read());
    }
}
