//! NCCL: sums and gathers of tensors on GPUs, directly from GPU to GPU, on a stream beside that of the computation. The host launches
//! them and continues; what needs their result waits on the GPU.
//!
//! It is NCCL itself and not c10d's process group on it: that one's headers need CUDA's, and its library, which is loaded at run time
//! where there is a GPU, would have to be linked. cudarc, which calls CUDA's driver here, does not look for NCCL under the name that
//! libtorch brings it by.
//!
//! ```text
//! library       NCCL's functions
//! communicator  the calls on a communicator
//! stream        streams and events
//! watch         operations that are under way
//! ```

mod communicator;
mod library;
mod stream;
mod watch;

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Release};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tch::{Device, Kind, Tensor};

use super::DistributedError;
use super::others::Others;
use super::store::within;
use crate::device::{self, shim};
use communicator::{Communicator, data_type};
use library::RawStream;
pub(super) use library::{Library, UniqueId};
use stream::{Context, Event, Stream};
use watch::{Operation, Watch, Watched};

/// Turns it off, if it is `off`.
const VARIABLE: &str = "FINESIFT_NCCL";

/// How long the ranks' GPUs may take to find each other.
const JOINING: Duration = Duration::from_secs(60);

/// How long the others' operations may take to end at the end of a run.
const LEAVING: Duration = Duration::from_secs(5);

/// All ranks, each with its GPU.
pub(super) struct Nccl {
    device: Device,
    rank: usize,
    size: usize,
    stream: Stream,
    watch: Arc<Watch>,
    thread: Option<JoinHandle<()>>,
}

/// An operation under way, with its tensors, whose memory must not go to others before.
#[must_use = "what is computed from its tensors has to wait for it"]
pub(super) struct OnStream {
    operation: Arc<Operation>,
    watch: Arc<Watch>,
    device: Device,
    tensors: Vec<Tensor>,
}

impl Nccl {
    /// The library, if this process can use it.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn find() -> Result<&'static Library, String> {
        if env::var_os(VARIABLE).is_some_and(|value| value == "off") {
            return Err(format!("{VARIABLE} is off"));
        }
        Library::load()
    }

    /// Joins the others, each with the GPU of its thread, all at the same time.
    ///
    /// # Errors
    /// Why they do not come together.
    pub fn join(
        library: &'static Library,
        id: UniqueId,
        (rank, size): (usize, usize),
        device: Device,
        others: &Arc<Others>,
        timeout: Duration,
    ) -> Result<Nccl, String> {
        device::enter(device).map_err(|error| error.to_string())?;
        let context = Context::current()?;
        let stream = Stream::new()?;
        let joining = move || {
            device::enter(device).map_err(|error| DistributedError(error.to_string()))?;
            Communicator::join(library, id, size, rank).map_err(DistributedError)
        };
        let communicator = within(timeout.min(JOINING), joining).map_err(|error| error.0)?;
        let watch = Arc::new(Watch::new(communicator, Arc::clone(others), timeout));
        let watching = Arc::clone(&watch);
        let thread = thread::Builder::new()
            .name("nccl".into())
            .spawn(move || watching.run(context))
            .map_err(|error| error.to_string())?;
        Ok(Nccl { device, rank, size, stream, watch, thread: Some(thread) })
    }

    /// Sums and gathers numbers whose results are known, of each type that is summed.
    ///
    /// # Errors
    /// What is wrong.
    pub fn prove(&self) -> Result<(), String> {
        // Two sizes: NCCL has other ways for large tensors.
        const SIZES: [i64; 2] = [1000, 1 << 20];
        let kinds = [Kind::Float, Kind::BFloat16, Kind::Double, Kind::Int];
        for (kind, size) in kinds.into_iter().flat_map(|kind| SIZES.map(|size| (kind, size))) {
            // Small whole numbers: their sums are exact in each type, whatever the order.
            let numbers = || Tensor::arange(size, (Kind::Int64, self.device)).remainder(5);
            let own = (numbers() + self.rank as i64 % 3).to_kind(kind);
            self.all_reduce(&own).map_err(|error| error.0)?.finish().map_err(|error| error.0)?;
            let others: i64 = (0..self.size as i64).map(|rank| rank % 3).sum();
            let expected = (numbers() * self.size as i64 + others).to_kind(kind);
            if !own.equal(&expected) {
                return Err(format!("its sums of {size} numbers of type {kind:?} are wrong"));
            }
        }
        let own = Tensor::full([777], self.rank as i64 % 251, (Kind::Uint8, self.device));
        let whole = Tensor::zeros([777 * self.size as i64], (Kind::Uint8, self.device));
        self.all_gather(&whole, &own).map_err(|error| error.0)?.finish().map_err(|error| error.0)?;
        let ranks = Tensor::arange(self.size as i64, (Kind::Int64, self.device)).remainder(251);
        let expected = ranks.repeat_interleave_self_int(777, 0, None).to_kind(Kind::Uint8);
        if whole.equal(&expected) { Ok(()) } else { Err("what it gathers is wrong".to_owned()) }
    }

    /// Whether it moves this tensor.
    pub fn has(&self, tensor: &Tensor) -> bool {
        tensor.device() == self.device && data_type(tensor.kind()).is_some()
    }

    /// Starts to replace a contiguous tensor by its sum over all ranks.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn all_reduce(&self, tensor: &Tensor) -> Result<OnStream, DistributedError> {
        self.start(vec![tensor.shallow_clone()], |stream| self.watch.communicator.all_reduce(tensor, stream))
    }

    /// Starts to put the tensors of all ranks, one after the other, into a contiguous one.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn all_gather(&self, whole: &Tensor, own: &Tensor) -> Result<OnStream, DistributedError> {
        let tensors = vec![whole.shallow_clone(), own.shallow_clone()];
        self.start(tensors, |stream| self.watch.communicator.all_gather(whole, own, stream))
    }

    /// Counts a step from here on.
    pub fn begin_step(&self) {
        // A step that is not counted is no reason to end it.
        if let Ok(begin) = current_stream(self.device).and_then(Event::on) {
            self.watch.add(Watched::StepBegin(begin));
        }
    }

    /// Counts the step, with its number from 1, on so many tokens, with so many bytes given to operations.
    pub fn end_step(&self, step: u64, tokens: u64, bytes: u64) {
        if let Ok(end) = current_stream(self.device).and_then(Event::on) {
            self.watch.add(Watched::StepEnd { end, step, tokens, bytes });
        }
    }

    /// Whether all operations have ended as they should so far. After the host has waited for the GPU, that is true of all whose results
    /// it has read.
    ///
    /// # Errors
    /// A rank that is gone or does not take part in time.
    pub fn outcome(&self) -> Result<(), DistributedError> {
        self.watch.outcome()
    }

    /// Asks the stream for an operation, after everything that the GPU has been asked to compute so far.
    fn start(
        &self,
        tensors: Vec<Tensor>,
        ask: impl FnOnce(RawStream) -> Result<(), String>,
    ) -> Result<OnStream, DistributedError> {
        self.watch.outcome()?;
        let stream = self.stream.raw();
        let asked = || {
            Event::on(current_stream(self.device)?)?.hold(stream)?;
            let begin = Event::on(stream)?;
            let returned = Arc::new(AtomicBool::new(false));
            self.watch.add(Watched::Call(Arc::clone(&returned)));
            let asked = ask(stream);
            returned.store(true, Release);
            asked?;
            Ok(Operation { begin, end: Event::on(stream)?, needed: Default::default() })
        };
        let operation = Arc::new(asked().map_err(|error: String| self.watch.fail(self.watch.others.explain(&error)))?);
        self.watch.add(Watched::Operation(Arc::clone(&operation)));
        Ok(OnStream { operation, watch: Arc::clone(&self.watch), device: self.device, tensors })
    }
}

impl OnStream {
    /// Lets what the GPU is asked to compute from here on come after the operation. The host does not wait for it.
    ///
    /// # Errors
    /// A rank that is gone so far.
    pub fn wait(mut self) -> Result<(), DistributedError> {
        self.hold()
    }

    /// Blocks this thread until the operation is done.
    ///
    /// # Errors
    /// A rank that is gone or does not take part in time.
    pub fn finish(mut self) -> Result<(), DistributedError> {
        self.hold()?;
        self.operation.end.wait().map_err(|error| self.watch.fail(DistributedError(error)))?;
        self.watch.outcome()
    }

    fn hold(&mut self) -> Result<(), DistributedError> {
        if self.tensors.is_empty() {
            return Ok(());
        }
        let held = || {
            let stream = current_stream(self.device)?;
            let needed = Event::on(stream)?;
            self.operation.end.hold(stream)?;
            Ok(needed)
        };
        let needed = held().map_err(|error: String| self.watch.fail(DistributedError(error)))?;
        let _ = self.operation.needed.set(needed);
        // Their memory goes to others in the order of the stream that waits.
        self.tensors.clear();
        self.watch.outcome()
    }
}

impl Drop for OnStream {
    fn drop(&mut self) {
        let _ = self.hold();
    }
}

impl Drop for Nccl {
    fn drop(&mut self) {
        self.watch.close();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has stopped, too.
            let _ = thread.join();
        }
        let watch = Arc::clone(&self.watch);
        // It waits for the others, which may be gone.
        let _ = within(LEAVING, move || {
            watch.communicator.destroy();
            Ok(())
        });
    }
}

/// libtorch's stream on a GPU. A CPU has none, and computes at once.
fn current_stream(device: Device) -> Result<RawStream, String> {
    match device {
        Device::Cuda(gpu) => shim::current_stream(gpu).map_err(|error| error.to_string()),
        _ => Ok(std::ptr::null_mut()),
    }
}
