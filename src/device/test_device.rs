//! The device of the library's own tests, as `tests/it/place.rs` has it for the integration tests, and their random numbers.

use std::env;
use std::sync::LazyLock;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

use super::DeviceChoice;
use super::shim::set_allow_tf32;

/// The environment variable that names it: `cpu`, which is the default, or `cuda:N`.
const VARIABLE: &str = "FINESIFT_TEST_DEVICE";

/// The device that tests of what runs on any device compute on. Products of fp32 matrices are in fp32 there, whatever the
/// environment allows.
pub(crate) fn test_device() -> Device {
    static DEVICE: LazyLock<Result<Device, String>> = LazyLock::new(|| {
        let name = env::var(VARIABLE).unwrap_or_else(|_| "cpu".into());
        // Opens libtorch's CUDA library, without which there is no such device.
        let chosen =
            name.parse().and_then(DeviceChoice::resolve).map_err(|error| format!("{VARIABLE}={name}: {error}"))?;
        if chosen.device.is_cuda() {
            set_allow_tf32(false).map_err(|error| error.to_string())?;
        }
        Ok(chosen.device)
    });
    // Every test says why it cannot compute, and not only the first.
    DEVICE.as_ref().map_or_else(|error| panic!("{error}"), |device| *device)
}

/// A tensor on that device.
pub(crate) fn on_test_device(tensor: Tensor) -> Tensor {
    tensor.to_device(test_device())
}

/// Numbers in [-3, 3) on the CPU, fp32, which do not depend on libtorch's generator.
pub(crate) fn random_tensor(shape: &[i64], seed: u64) -> Tensor {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let numbers: Vec<f32> = (0..shape.iter().product()).map(|_| generator.random_range(-3.0..3.0)).collect();
    Tensor::from_slice(&numbers).reshape(shape)
}
