//! Where the tests find their fixtures and the program, and the device they compute on. A copied test binary finds `fixtures/` and
//! `finesift` beside itself, so that it runs on a machine without the source tree.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

#[cfg(feature = "torch")]
use finesift::device::{self, DeviceChoice, shim::set_allow_tf32};
#[cfg(feature = "torch")]
use tch::Device;

/// The environment variable that names the tests' device: `cpu`, which is the default, or `cuda:N`.
#[cfg(feature = "torch")]
const VARIABLE: &str = "FINESIFT_TEST_DEVICE";

/// The folder of all fixtures.
pub(crate) fn fixtures() -> &'static Path {
    static FIXTURES: LazyLock<PathBuf> = LazyLock::new(|| {
        let source = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        beside("fixtures").filter(|path| path.is_dir()).unwrap_or_else(source)
    });
    &FIXTURES
}

/// A file or folder among the fixtures, by its path there.
pub(crate) fn fixture(name: &str) -> PathBuf {
    fixtures().join(name)
}

/// The program `finesift`.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        beside("finesift").filter(|path| path.is_file()).unwrap_or_else(|| env!("CARGO_BIN_EXE_finesift").into())
    });
    &PROGRAM
}

/// What lies beside the test binary. Cargo puts neither fixtures nor a program of this name there.
fn beside(name: &str) -> Option<PathBuf> {
    Some(env::current_exe().ok()?.parent()?.join(name))
}

/// The device that tests compute on. Products of fp32 matrices are in fp32 there, whatever the environment allows: the tests'
/// tolerances are for fp32.
#[cfg(feature = "torch")]
pub(crate) fn device() -> Device {
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

/// The tests' device, for jobs.
#[cfg(feature = "torch")]
pub(crate) fn device_choice() -> DeviceChoice {
    match device() {
        Device::Cuda(number) => DeviceChoice::Cuda(number),
        _ => DeviceChoice::Cpu,
    }
}

/// The tests' device, for `--device`.
#[cfg(feature = "torch")]
pub(crate) fn device_name() -> String {
    device::name(device())
}

/// Whether a test has to be skipped because its subject is a CPU's and the tests' device is a GPU. Says so.
#[cfg(feature = "torch")]
pub(crate) fn skipped_on_gpu(subject: &str) -> bool {
    let skipped = device().is_cuda();
    if skipped {
        println!("skipped on {}: {subject}", device_name());
    }
    skipped
}
