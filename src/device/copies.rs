//! Copies from host memory to a device that do not wait for what the device computes meanwhile, nor it for them. Safe wrappers around
//! `copies.cpp`.

use std::ffi::{c_char, c_void};
use std::ptr;

use tch::{Device, Tensor};

use super::shim::{LibtorchError, checked};

/// Where copies are made.
pub enum Copies {
    /// At once, by the thread that asks for them.
    Immediate,
    /// On a stream of the GPU.
    Stream(CopyStream),
}

/// A stream of a GPU.
pub struct CopyStream(*mut c_void);

// SAFETY: the stream and its events belong to no thread.
unsafe impl Send for CopyStream {}

/// Buffers that are copied to in turn. Copies to each are waited for on their own.
pub const BUFFERS: usize = 2;

impl Copies {
    /// For this device.
    ///
    /// # Errors
    /// libtorch's message.
    pub fn to(device: Device) -> Result<Copies, LibtorchError> {
        let Device::Cuda(index) = device else { return Ok(Copies::Immediate) };
        let index = i8::try_from(index).map_err(|_| LibtorchError(format!("no accelerator {index}")))?;
        let mut stream = ptr::null_mut();
        // SAFETY: the buffer has the stated capacity; the function does not throw.
        checked(|error, capacity| unsafe { finesift_copy_stream(index, &mut stream, error, capacity) })?;
        Ok(Copies::Stream(CopyStream(stream)))
    }

    /// Copies each tensor `from` the host `to` a buffer of this number on the device, after everything that the device has been asked to compute so far. The host
    /// does not wait if its memory is page-locked; that memory must stay as it is until the copies are done.
    ///
    /// # Panics
    /// If libtorch fails.
    pub fn start(&self, buffer: usize, pairs: &[(Tensor, Tensor)]) {
        match self {
            Copies::Immediate => tch::no_grad(|| pairs.iter().for_each(|(to, from)| to.shallow_clone().copy_(from))),
            Copies::Stream(CopyStream(stream)) => {
                let [to, from] = [
                    pairs.iter().map(|(to, _)| to.as_ptr().cast()).collect::<Vec<*const c_void>>(),
                    pairs.iter().map(|(_, from)| from.as_ptr().cast()).collect(),
                ];
                // SAFETY: the tensors outlive the call, both lists have a pointer for each pair, the stream is alive, the buffer has
                // the stated capacity; the function does not throw.
                succeed(checked(|error, capacity| unsafe {
                    let (to, from) = (to.as_ptr(), from.as_ptr());
                    finesift_copy_ahead(*stream, buffer, to, from, pairs.len(), error, capacity)
                }));
            }
        }
    }

    /// What the device is asked to compute from here on comes after the copies to this buffer.
    ///
    /// # Panics
    /// If libtorch fails.
    pub fn wait_for(&self, buffer: usize) {
        if let Copies::Stream(CopyStream(stream)) = self {
            // SAFETY: the stream is alive, the buffer has the stated capacity; the function does not throw.
            succeed(checked(|error, capacity| unsafe { finesift_wait_for_copies(*stream, buffer, error, capacity) }));
        }
    }
}

/// The tensor, on the CPU, in page-locked memory, from which a copy to a GPU can be started without waiting until the GPU gets to it: libtorch
/// keeps that memory until the copy is done. Without a GPU, or such memory, the tensor as it is.
pub fn page_locked(tensor: Tensor) -> Tensor {
    let mut made = ptr::null_mut();
    // SAFETY: the tensor outlives the call, the buffer has the stated capacity; the function does not throw.
    let done =
        checked(|error, capacity| unsafe { finesift_page_locked(tensor.as_ptr().cast(), &mut made, error, capacity) });
    match done {
        // SAFETY: after success it is a tensor that we own.
        Ok(()) => unsafe { Tensor::from_ptr(made.cast()) },
        Err(_) => tensor,
    }
}

impl Drop for CopyStream {
    fn drop(&mut self) {
        // SAFETY: the stream was made by `finesift_copy_stream`, and nothing else has it.
        unsafe { finesift_drop_copy_stream(self.0) };
    }
}

fn succeed(result: Result<(), LibtorchError>) {
    if let Err(error) = result {
        panic!("{error}");
    }
}

unsafe extern "C" {
    fn finesift_page_locked(tensor: *const c_void, made: &mut *mut c_void, error: *mut c_char, capacity: usize)
    -> bool;
    fn finesift_copy_stream(device: i8, stream: &mut *mut c_void, error: *mut c_char, capacity: usize) -> bool;
    fn finesift_drop_copy_stream(stream: *mut c_void);
    fn finesift_copy_ahead(
        stream: *mut c_void,
        buffer: usize,
        to: *const *const c_void,
        from: *const *const c_void,
        count: usize,
        error: *mut c_char,
        capacity: usize,
    ) -> bool;
    fn finesift_wait_for_copies(stream: *mut c_void, buffer: usize, error: *mut c_char, capacity: usize) -> bool;
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::device::{random_tensor, test_device};

    #[test]
    fn page_locked_memory_has_the_same_numbers() {
        for (kind, shape) in [(Kind::Float, vec![300, 70]), (Kind::Int64, vec![5]), (Kind::Int64, vec![0])] {
            let tensor = random_tensor(&shape, 3).to_kind(kind);
            let locked = page_locked(tensor.shallow_clone());
            assert!(locked.kind() == kind && locked.device() == Device::Cpu && locked.equal(&tensor));
            if test_device().is_cuda() {
                assert!(locked.is_pinned(test_device()));
            }
            assert!(locked.to_device_(test_device(), kind, true, false).to_device(Device::Cpu).equal(&tensor));
        }
    }

    #[test]
    fn copies_come_after_what_was_computed_before_them_and_before_what_is_computed_after() {
        let device = test_device();
        let copies = Copies::to(device).unwrap();
        let host = [1, 2].map(|seed| random_tensor(&[300, 70], seed));
        let buffers = [(); BUFFERS].map(|()| Tensor::zeros([300, 70], (Kind::Float, device)));
        for round in 0..20 {
            let number = round % BUFFERS;
            let buffer = &buffers[number];
            let before = buffer.copy();
            // Reads the buffer that is copied to next.
            let product = buffer.tr().matmul(buffer);
            let source = &host[usize::from(round % 3 == 0)];
            copies.start(number, &[(buffer.shallow_clone(), source.shallow_clone())]);
            let expected = before.tr().matmul(&before);
            copies.wait_for(number);
            assert!(buffer.to_device(Device::Cpu).equal(source), "{round}");
            assert!(product.equal(&expected), "{round}");
        }
    }
}
