//! The values that the selected components had before training. Weight decay toward them needs them in each step, on the device.
//! Otherwise only what is read between steps needs them, and on a GPU they are in host memory.

use std::ops::Range;

use tch::{Device, Kind, Tensor};

use crate::kernels::cuda::Pinned;
use crate::sift::adamw::SparseDecay;

/// Pre-trained values of the sparse components: `[sparse]`, in the weights' dtype, which loses nothing.
pub(super) struct Pretrained {
    /// Of those in host memory, from where a GPU copies faster; not where the system locks no more pages.
    _pinned: Option<Pinned>,
    values: Tensor,
    /// Where the components are trained.
    device: Device,
}

impl Pretrained {
    /// Of so many components that are trained on a device, to be filled in.
    pub fn zeros(components: i64, kind: Kind, device: Device, decay: SparseDecay) -> Pretrained {
        let between_steps = decay == SparseDecay::None && device.is_cuda();
        let values = Tensor::zeros([components], (kind, if between_steps { Device::Cpu } else { device }));
        let pinned = (between_steps && components > 0).then(|| Pinned::new(&values).ok()).flatten();
        Pretrained { _pinned: pinned, values, device }
    }

    /// Wherever they are.
    pub fn values(&self) -> &Tensor {
        &self.values
    }

    /// Of a range of components, on the device.
    pub fn range(&self, range: &Range<i64>) -> Tensor {
        self.values.narrow(0, range.start, range.end - range.start).to_device(self.device)
    }

    /// Sets those of a range of components.
    pub fn set(&self, range: &Range<i64>, values: &Tensor) {
        self.values.narrow(0, range.start, range.end - range.start).copy_(values);
    }

    /// Bytes on the device.
    pub fn device_bytes(&self) -> u64 {
        let there = self.values.device() == self.device;
        if there { (self.values.numel() * self.values.kind().elt_size_in_bytes()) as u64 } else { 0 }
    }
}
