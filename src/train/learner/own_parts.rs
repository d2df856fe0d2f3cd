//! What of the trained components is this rank's, where weights are sharded over ranks: those in its rows, and those of all other parameters,
//! which every rank trains alike. Components are in the order of their flat row-major indices, so a rank's are one range of each slot.

use std::ops::Range;

use tch::{Device, Kind, Tensor, no_grad};

use crate::distributed::{DistributedError, World};
use crate::model::Network;
use crate::sift::{SavedRetired, Selected, Slot, TrainableParameter};

/// This rank's part of each slot.
pub(super) struct OwnParts {
    parts: Vec<OwnPart>,
    total: i64,
}

struct OwnPart {
    /// Of the flat vectors of all trained components.
    range: Range<i64>,
    /// Flat row-major indices of the parameter that are this rank's; `None` where all ranks have the whole parameter.
    indices: Option<Range<i64>>,
}

/// The parameters as this rank trains them, and its parts; `None` for the parts where it trains all. `slots` are those of the parameters.
pub(super) fn own(
    network: &Network,
    parameters: &[TrainableParameter],
    slots: &[Slot],
) -> (Vec<TrainableParameter>, Option<OwnParts>) {
    let of = |parameter: &TrainableParameter| {
        let TrainableParameter { name, weights, selected } = parameter;
        let (name, whole) = (name.clone(), weights.shallow_clone());
        match network.own_rows(&name) {
            None => TrainableParameter { name, weights: whole, selected: selected.clone() },
            Some(own) => {
                let width = whole.size()[1];
                let selected = selected.as_ref().map(|selected| selected.in_rows(own.rows.clone(), width).0);
                TrainableParameter { name, weights: own.weights.shallow_clone(), selected }
            }
        }
    };
    let own: Vec<TrainableParameter> = parameters.iter().map(of).collect();
    if !parameters.iter().any(|parameter| network.own_rows(&parameter.name).is_some()) {
        return (own, None);
    }
    let part = |slot: &Slot| match network.own_rows(&slot.name) {
        None => OwnPart { range: slot.range.clone(), indices: None },
        Some(own) => {
            let width = slot.shape[1];
            let indices = own.rows.start * width..own.rows.end * width;
            let within = match &slot.selected {
                Some(selected) => selected.in_rows(own.rows.clone(), width).1,
                None => indices.clone(),
            };
            let start = slot.range.start;
            OwnPart { range: start + within.start..start + within.end, indices: Some(indices) }
        }
    };
    let total = slots.last().map_or(0, |slot| slot.range.end);
    (own, Some(OwnParts { parts: slots.iter().map(part).collect(), total }))
}

impl OwnParts {
    /// This rank's components of a vector of all.
    pub fn of(&self, whole: &Tensor) -> Tensor {
        let parts = self.parts.iter().map(|part| whole.narrow(0, part.range.start, part.range.end - part.range.start));
        let parts: Vec<Tensor> = parts.collect();
        if parts.is_empty() { whole.narrow(0, 0, 0) } else { Tensor::cat(&parts, 0) }
    }

    /// The vector of all components, in host memory, from this rank's and those of the others. Its elements have 4 bytes.
    pub fn whole(&self, own: &Tensor, world: &World) -> Result<Tensor, DistributedError> {
        no_grad(|| {
            let bits = own.to_device(Device::Cpu).view_dtype(Kind::Int);
            let whole = Tensor::zeros([self.total], (Kind::Int, Device::Cpu));
            let mut start = 0;
            for OwnPart { range, indices } in &self.parts {
                let length = range.end - range.start;
                // What all ranks have counts once.
                if indices.is_some() || world.is_first() {
                    whole.narrow(0, range.start, length).copy_(&bits.narrow(0, start, length));
                }
                start += length;
            }
            // Bits and zeros: a sum of integers loses none of them, where one of floats would lose the sign of a zero.
            world.all_reduce(&whole)?;
            Ok(whole.view_dtype(own.kind()))
        })
    }

    /// A number of each slot, or of the first slots, added up over the ranks that have different components of it.
    pub fn sum(&self, own: &[f64], world: &World) -> Result<Vec<f64>, DistributedError> {
        let counted = |(number, part): (&f64, &OwnPart)| {
            if part.indices.is_some() || world.is_first() { *number } else { 0.0 }
        };
        let sums = Tensor::from_slice(&own.iter().zip(&self.parts).map(counted).collect::<Vec<f64>>());
        world.all_reduce(&sums)?;
        Ok(Vec::try_from(&sums).unwrap_or_default())
    }

    /// Components that have left the selection of each slot, all of them, from this rank's and those of the others.
    pub fn whole_retired(&self, own: Vec<SavedRetired>, world: &World) -> Result<Vec<SavedRetired>, DistributedError> {
        let mut whole = Vec::with_capacity(own.len());
        for (SavedRetired { indices, values }, part) in own.into_iter().zip(&self.parts) {
            let Some(rows) = &part.indices else {
                whole.push(SavedRetired { indices, values });
                continue;
            };
            let bytes =
                |tensor: &Tensor| Vec::<u8>::try_from(tensor.contiguous().view_dtype(Kind::Uint8)).unwrap_or_default();
            let gather = |tensor: &Tensor| -> Result<Tensor, DistributedError> {
                let parts = world.all_gather(bytes(tensor))?.concat();
                Ok(Tensor::from_slice(&parts).view_dtype(tensor.kind()))
            };
            // The ranks' rows follow each other, and so do their indices.
            whole.push(SavedRetired { indices: gather(&(indices + rows.start))?, values: gather(&values)? });
        }
        Ok(whole)
    }

    /// Those of components that have left the selection that are this rank's, with indices into its rows.
    pub fn own_retired(&self, whole: &[SavedRetired]) -> Vec<SavedRetired> {
        let of = |(SavedRetired { indices, values }, part): (&SavedRetired, &OwnPart)| match &part.indices {
            None => SavedRetired { indices: indices.shallow_clone(), values: values.shallow_clone() },
            Some(rows) => {
                let within = Selected::range_of(indices, rows.clone());
                let length = within.end - within.start;
                SavedRetired {
                    indices: indices.narrow(0, within.start, length) - rows.start,
                    values: values.narrow(0, within.start, length),
                }
            }
        };
        whole.iter().zip(&self.parts).map(of).collect()
    }
}
