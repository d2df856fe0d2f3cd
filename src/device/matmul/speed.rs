//! How fast products in reduced precision are on this machine, which its flags do not tell: the same instructions run at twice
//! the rate of fp32's on one processor and at half of it on another.

use std::fmt::{self, Display, Formatter};
use std::time::Instant;

use tch::{Device, Kind, Tensor};

use crate::device::shim::LibtorchError;

/// Products of either precision, in turn; the fastest one counts.
const REPEATS: usize = 4;

/// Operations of a product: some milliseconds on two cores.
const OPERATIONS: i64 = 1 << 30;

/// Products in reduced precision beside those in fp32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatmulSpeed {
    /// What multiplies: `bf16 (AMX)`.
    pub name: &'static str,
    /// Their time as a multiple of fp32's.
    pub ratio: f64,
}

impl MatmulSpeed {
    /// Whether fp32 is faster.
    pub fn is_slower(&self) -> bool {
        self.ratio > 1.0
    }
}

impl Display for MatmulSpeed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} products take {:.2}x the time of f32 ones on this machine", self.name, self.ratio)
    }
}

/// The time of products in reduced precision as a multiple of that of fp32 ones, for a weight `[out, in]`. It leaves them on.
pub fn ratio(
    [outputs, inputs]: [i64; 2],
    on: impl Fn() -> Result<(), LibtorchError>,
    off: impl Fn() -> Result<(), LibtorchError>,
) -> Result<f64, LibtorchError> {
    let tokens = (OPERATIONS / (2 * outputs * inputs).max(1)).clamp(64, 4096);
    let options = (Kind::Float, Device::Cpu);
    let (x, weight) = (Tensor::ones([tokens, inputs], options), Tensor::ones([outputs, inputs], options));
    let product = || {
        let start = Instant::now();
        let _ = x.linear(&weight, None::<&Tensor>);
        start.elapsed().as_secs_f64()
    };
    let mut best = [f64::INFINITY; 2];
    // The first of each sets up its kernel.
    for repeat in 0..=REPEATS {
        for (best, switch) in best.iter_mut().zip([&off as &dyn Fn() -> Result<(), LibtorchError>, &on]) {
            switch()?;
            let seconds = product();
            if repeat > 0 {
                *best = best.min(seconds);
            }
        }
    }
    let [fp32, reduced] = best;
    Ok(reduced / fp32)
}
