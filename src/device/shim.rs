//! What tch does not bind: TF32, the caching allocator of the accelerator, generators of random numbers, the observation of operators,
//! and a count of tensors.
//! Safe wrappers around `shim.cpp`.

use std::cell::Cell;
use std::error::Error;
use std::ffi::{CStr, c_char, c_void};
use std::fmt::{self, Display, Formatter};
use std::marker::PhantomData;
use std::ptr;

use tch::Tensor;

/// The message of a failed libtorch call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibtorchError(pub(super) String);

impl Display for LibtorchError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "libtorch: {}", self.0)
    }
}

impl Error for LibtorchError {}

impl LibtorchError {
    /// libtorch's own words.
    pub fn message(&self) -> &str {
        &self.0
    }
}

/// Bytes that libtorch's caching allocator has of a device, as in `torch.cuda.memory_stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct DeviceMemory {
    /// Bytes of live tensors.
    pub allocated: i64,
    /// The most that `allocated` has been.
    pub peak_allocated: i64,
    /// Bytes held from the driver: live tensors and the cache.
    pub reserved: i64,
    /// The most that `reserved` has been.
    pub peak_reserved: i64,
}

/// Allows products of fp32 matrices in TF32 on NVIDIA GPUs, or forbids them: 10 bits of mantissa instead of 23, several times
/// faster. As `torch.backends.cuda.matmul.allow_tf32`; no TF32 by default. Without a GPU it has no effect.
///
/// # Errors
/// libtorch's message.
pub fn set_allow_tf32(allow: bool) -> Result<(), LibtorchError> {
    // SAFETY: the buffer has the stated capacity; the function does not throw.
    checked(|error, capacity| unsafe { finesift_set_allow_tf32(allow, error, capacity) })
}

/// Whether TF32 is allowed.
///
/// # Errors
/// libtorch's message.
pub fn allow_tf32() -> Result<bool, LibtorchError> {
    let mut allowed = false;
    // SAFETY: the buffer has the stated capacity; the function does not throw.
    checked(|error, capacity| unsafe { finesift_allow_tf32(&mut allowed, error, capacity) })?;
    Ok(allowed)
}

/// What the allocator has of the accelerator of this index.
///
/// # Errors
/// libtorch's message: there is no accelerator, or not this one, or nothing was computed on it yet.
pub fn device_memory(index: usize) -> Result<DeviceMemory, LibtorchError> {
    let index = i8::try_from(index).map_err(|_| LibtorchError(format!("no accelerator {index}")))?;
    let mut memory = DeviceMemory::default();
    // SAFETY: the buffer has the stated capacity; the struct has the layout of the other side's; the function does not throw.
    checked(|error, capacity| unsafe { finesift_device_memory(index, &mut memory, error, capacity) })?;
    Ok(memory)
}

/// Sets up the accelerator's allocator, as `PYTORCH_ALLOC_CONF` does: before anything is allocated.
///
/// # Errors
/// libtorch's message: a setting that it does not know.
pub fn set_allocator_settings(settings: &CStr) -> Result<(), LibtorchError> {
    // SAFETY: the text outlives the call; the buffer has the stated capacity; the function does not throw.
    checked(|error, capacity| unsafe { finesift_set_allocator_settings(settings.as_ptr(), error, capacity) })
}

/// Returns the accelerator's cached memory to the driver, as `torch.cuda.empty_cache`.
///
/// # Errors
/// libtorch's message: there is no accelerator.
pub fn empty_cache() -> Result<(), LibtorchError> {
    // SAFETY: the buffer has the stated capacity; the function does not throw.
    checked(|error, capacity| unsafe { finesift_empty_cache(error, capacity) })
}

/// The stream of the accelerator of this index that this thread's operators are launched on: a `cudaStream_t`.
///
/// # Errors
/// libtorch's message: there is no accelerator.
pub fn current_stream(index: usize) -> Result<*mut c_void, LibtorchError> {
    let index = i8::try_from(index).map_err(|_| LibtorchError(format!("no accelerator {index}")))?;
    let mut stream = ptr::null_mut();
    // SAFETY: the buffer has the stated capacity; the function does not throw.
    checked(|error, capacity| unsafe { finesift_current_stream(index, &mut stream, error, capacity) })?;
    Ok(stream)
}

/// Makes an accelerator that of this thread, for what does not go through libtorch's operators.
///
/// # Errors
/// libtorch's message: there is no accelerator.
pub fn enter_device(index: usize) -> Result<(), LibtorchError> {
    let index = i8::try_from(index).map_err(|_| LibtorchError(format!("no accelerator {index}")))?;
    // SAFETY: the buffer has the stated capacity; the function does not throw.
    checked(|error, capacity| unsafe { finesift_enter_device(index, error, capacity) })
}

/// Fills a tensor with numbers from N(0, deviation²), which follow from the seed alone: by a generator of its own, of the tensor's kind of
/// device, as that of the whole process after `torch.manual_seed`.
///
/// # Panics
/// If libtorch fails.
pub fn fill_normal(tensor: &mut Tensor, deviation: f64, seed: u64) {
    // SAFETY: the tensor outlives the call, the buffer has the stated capacity; the function does not throw.
    let filled = checked(|error, capacity| unsafe {
        finesift_fill_normal(tensor.as_ptr().cast(), deviation, seed, error, capacity)
    });
    filled.unwrap_or_else(|error| panic!("{error}"));
}

/// The start or the end of a libtorch operator, or of a node of the backward pass. They nest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorEvent<'a> {
    /// With its name: `aten::addmm`, `AddmmBackward0`.
    Started(&'a str),
    Ended,
}

/// Observes operators until it is dropped.
pub struct OperatorObserver {
    handle: u64,
    /// It belongs to the thread that it was made on.
    thread: PhantomData<*const ()>,
}

thread_local! {
    static ON_OPERATOR: Cell<Option<fn(OperatorEvent<'_>)>> = const { Cell::new(None) };
}

/// Calls `on_operator` for the operators that this thread runs from here on, the backward pass on a CPU included: libtorch's
/// `RecordFunction`, which its own profilers use. It must not panic. Without an observer an operator costs nothing more.
///
/// # Errors
/// libtorch's message.
///
/// # Panics
/// If this thread has an observer already.
pub fn observe_operators(on_operator: fn(OperatorEvent<'_>)) -> Result<OperatorObserver, LibtorchError> {
    assert!(ON_OPERATOR.get().is_none(), "this thread observes operators already");
    ON_OPERATOR.set(Some(on_operator));
    let mut observer = OperatorObserver { handle: 0, thread: PhantomData };
    checked(|error, capacity| {
        // SAFETY: the buffer has the stated capacity; the function does not throw; the callbacks may be called at any time.
        unsafe { finesift_observe_operators(started, ended, &mut observer.handle, error, capacity) }
    })?;
    Ok(observer)
}

impl Drop for OperatorObserver {
    fn drop(&mut self) {
        ON_OPERATOR.set(None);
        // SAFETY: the buffer has the stated capacity; the function does not throw, and ignores a handle that it did not give.
        let removed = checked(|error, capacity| unsafe { finesift_stop_observing(self.handle, error, capacity) });
        debug_assert_eq!(removed, Ok(()));
    }
}

extern "C" fn started(name: *const c_char) {
    if let Some(on_operator) = ON_OPERATOR.get() {
        // SAFETY: libtorch's names end in a zero byte and outlive the call.
        let name = unsafe { CStr::from_ptr(name) };
        on_operator(OperatorEvent::Started(&name.to_string_lossy()));
    }
}

extern "C" fn ended() {
    if let Some(on_operator) = ON_OPERATOR.get() {
        on_operator(OperatorEvent::Ended);
    }
}

/// Counts the bytes of the tensors that this thread makes on the CPU, until it is dropped. Those that it made before do not count.
pub struct TensorCount {
    /// It belongs to the thread that it was made on.
    thread: PhantomData<*const ()>,
}

/// Starts to count. Without a count, allocating a tensor costs nothing more.
///
/// # Errors
/// libtorch's message.
pub fn count_tensors() -> Result<TensorCount, LibtorchError> {
    // SAFETY: the buffer has the stated capacity; the function does not throw.
    checked(|error, capacity| unsafe { finesift_count_tensors(error, capacity) })?;
    Ok(TensorCount { thread: PhantomData })
}

impl TensorCount {
    /// The most bytes that were alive at one time.
    pub fn peak(&self) -> u64 {
        // SAFETY: the function reads a number of this thread.
        unsafe { finesift_counted_peak() }.max(0) as u64
    }
}

impl Drop for TensorCount {
    fn drop(&mut self) {
        // SAFETY: the function changes what this thread has.
        unsafe { finesift_stop_counting() }
    }
}

/// Makes a call that writes a message of so many bytes at most if it fails.
pub(crate) fn checked(call: impl FnOnce(*mut c_char, usize) -> bool) -> Result<(), LibtorchError> {
    let mut message = [0u8; 512];
    if call(message.as_mut_ptr().cast(), message.len()) {
        return Ok(());
    }
    let message = CStr::from_bytes_until_nul(&message).map(CStr::to_string_lossy).unwrap_or_default();
    Err(LibtorchError(message.trim().to_owned()))
}

unsafe extern "C" {
    fn finesift_set_allow_tf32(allow: bool, error: *mut c_char, capacity: usize) -> bool;
    fn finesift_allow_tf32(allowed: *mut bool, error: *mut c_char, capacity: usize) -> bool;
    fn finesift_device_memory(index: i8, memory: *mut DeviceMemory, error: *mut c_char, capacity: usize) -> bool;
    fn finesift_enter_device(index: i8, error: *mut c_char, capacity: usize) -> bool;
    fn finesift_current_stream(index: i8, stream: *mut *mut c_void, error: *mut c_char, capacity: usize) -> bool;
    fn finesift_set_allocator_settings(settings: *const c_char, error: *mut c_char, capacity: usize) -> bool;
    fn finesift_empty_cache(error: *mut c_char, capacity: usize) -> bool;
    fn finesift_observe_operators(
        started: extern "C" fn(*const c_char),
        ended: extern "C" fn(),
        handle: *mut u64,
        error: *mut c_char,
        capacity: usize,
    ) -> bool;
    fn finesift_fill_normal(
        tensor: *const c_void,
        deviation: f64,
        seed: u64,
        error: *mut c_char,
        capacity: usize,
    ) -> bool;
    fn finesift_count_tensors(error: *mut c_char, capacity: usize) -> bool;
    fn finesift_counted_peak() -> i64;
    fn finesift_stop_counting();
    fn finesift_stop_observing(handle: u64, error: *mut c_char, capacity: usize) -> bool;
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn tf32_is_off_until_it_is_allowed() {
        assert_eq!(allow_tf32(), Ok(false));
        set_allow_tf32(true).unwrap();
        assert_eq!(allow_tf32(), Ok(true));
        set_allow_tf32(false).unwrap();
        assert_eq!(allow_tf32(), Ok(false));
    }

    #[test]
    fn normal_numbers_follow_from_the_seed_alone() {
        let drawn = |seed| {
            let mut tensor = Tensor::empty([1000, 20], (Kind::Float, Device::Cpu));
            fill_normal(&mut tensor, 0.5, seed);
            tensor
        };
        let first = drawn(3);
        // Another thread seeds and draws from the generator of the process meanwhile.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..200)
                    .for_each(|seed| drop((tch::manual_seed(seed), Tensor::randn([50], (Kind::Float, Device::Cpu)))))
            });
            (0..20).for_each(|_| assert!(drawn(3).equal(&first)));
        });
        assert!(!drawn(4).equal(&first));
        assert!(
            (first.std(true).double_value(&[]) - 0.5).abs() < 0.01
                && first.mean(Kind::Float).double_value(&[]).abs() < 0.02
        );
    }

    #[test]
    fn operators_of_this_thread_are_observed_with_those_that_they_call() {
        thread_local! {
            static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
        }
        fn on_operator(event: OperatorEvent<'_>) {
            let line = match event {
                OperatorEvent::Started(name) => name.to_owned(),
                OperatorEvent::Ended => "end".to_owned(),
            };
            SEEN.with_borrow_mut(|seen| seen.push(line));
        }
        let x = Tensor::ones([2, 3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let observer = observe_operators(on_operator).unwrap();
        let y = x.linear(&x, None::<&Tensor>).sum(Kind::Float);
        let _ = std::thread::spawn(|| Tensor::ones([2], (Kind::Float, Device::Cpu)).cos()).join().unwrap();
        y.backward();
        drop(observer);
        let _ = x.exp();
        let seen = SEEN.take();
        assert_eq!(seen[0], "aten::linear", "{seen:?}");
        for name in ["aten::mm", "aten::sum", "MmBackward0"] {
            assert!(seen.iter().any(|found| found == name), "{name}: {seen:?}");
        }
        assert!(!seen.iter().any(|found| found == "aten::cos" || found == "aten::exp"), "{seen:?}");
        let ends = seen.iter().filter(|line| *line == "end").count();
        assert_eq!(2 * ends, seen.len(), "{seen:?}");
        // Without an observer the next one is taken.
        drop(observe_operators(on_operator).unwrap());
    }

    #[test]
    fn tensors_are_counted_while_they_live() {
        let zeros = |numbers: i64| Tensor::zeros([numbers], (Kind::Float, Device::Cpu));
        let before = zeros(1 << 20);
        let count = count_tensors().unwrap();
        assert_eq!(count.peak(), 0);
        let held = zeros(1000);
        drop((zeros(500), before));
        let _ = zeros(2000).shallow_clone();
        drop(held);
        assert!((12_000..12_500).contains(&count.peak()), "{}", count.peak());
        drop(count);
        let count = count_tensors().unwrap();
        assert_eq!(count.peak(), 0);
    }

    #[test]
    fn without_an_accelerator_the_allocator_calls_say_so() {
        if tch::Cuda::device_count() > 0 || tch::utils::has_mps() {
            return;
        }
        let none = LibtorchError("no accelerator".into());
        assert_eq!(device_memory(0), Err(none.clone()));
        assert_eq!(empty_cache(), Err(none.clone()));
        assert_eq!(current_stream(0), Err(none.clone()));
        assert_eq!(enter_device(0), Err(none.clone()));
        assert_eq!(set_allocator_settings(c"expandable_segments:True"), Ok(()));
        assert!(set_allocator_settings(c"expandable_segments:perhaps").is_err());
        assert_eq!(none.to_string(), "libtorch: no accelerator");
        assert_eq!(device_memory(1 << 20), Err(LibtorchError("no accelerator 1048576".into())));
    }
}
