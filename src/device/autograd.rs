//! Own nodes of libtorch's autograd graph: operations whose backward pass is a Rust closure. Safe wrappers around `autograd.cpp`.

use std::ffi::{CStr, c_char, c_void};
use std::mem::ManuallyDrop;
use std::ptr;

use tch::Tensor;

use super::shim::checked;
use crate::panics::{Panic, catch};

/// The gradients that arrive at a node, and which ones it should give.
pub struct Incoming<const INPUTS: usize> {
    /// Of its output, in the output's shape.
    pub gradient: Tensor,
    /// Whether the gradient of each input is needed.
    pub needed: [bool; INPUTS],
}

/// Whether a graph is recorded, and one of these tensors is part of it or a leaf that requires a gradient.
pub fn is_recorded(inputs: &[&Tensor]) -> bool {
    // SAFETY: the function only reads a flag of this thread.
    let recording = unsafe { finesift_is_recording() };
    recording && inputs.iter().any(|input| input.requires_grad())
}

/// Makes `output`, which was computed outside of any graph, the result of an operation on `inputs`. `backward` gives the gradients of
/// the inputs, undefined for those that are not needed. It runs at most once, without a graph, on the thread that differentiates
/// (on a GPU, on libtorch's thread for it), and is dropped as soon as it is not needed any more. `name` is shown in profiles.
///
/// # Panics
/// If libtorch fails; an output that requires a gradient already.
pub fn attach<const INPUTS: usize>(
    name: &'static CStr,
    inputs: [&Tensor; INPUTS],
    output: &Tensor,
    backward: impl FnOnce(Incoming<INPUTS>) -> [Tensor; INPUTS] + Send + 'static,
) {
    let backward: Backward = Box::new(move |gradient, needed| {
        let needed = std::array::from_fn(|input| needed[input]);
        backward(Incoming { gradient, needed }).into()
    });
    let closure = Closure { data: Box::into_raw(Box::new(backward)).cast(), call, drop: free };
    let inputs = inputs.map(|input| input.as_ptr().cast());
    // SAFETY: the tensors outlive the call, the closure is consumed by it, the name is static, the buffer has the stated capacity;
    // the function does not throw.
    let attached = checked(|error, capacity| unsafe {
        finesift_attach_node(name.as_ptr(), closure, inputs.as_ptr(), INPUTS, output.as_ptr().cast(), error, capacity)
    });
    if let Err(error) = attached {
        panic!("{error}");
    }
}

/// The gradients of `inputs` through the graph of `output`, whose own gradient is `gradient`; undefined for an input that the output
/// does not depend on. The graph is freed.
///
/// # Panics
/// If libtorch or a node's closure fails, with its message.
pub fn gradients(output: &Tensor, gradient: &Tensor, inputs: &[&Tensor]) -> Vec<Tensor> {
    let pointers: Vec<*const c_void> = inputs.iter().map(|input| input.as_ptr().cast()).collect();
    let mut found: Vec<*mut c_void> = vec![ptr::null_mut(); inputs.len()];
    // SAFETY: the tensors outlive the call, both lists have a pointer for each input, the buffer has the stated capacity; the
    // function does not throw.
    let differentiated = checked(|error, capacity| unsafe {
        finesift_gradients(
            output.as_ptr().cast(),
            gradient.as_ptr().cast(),
            pointers.as_ptr(),
            found.as_mut_ptr(),
            pointers.len(),
            error,
            capacity,
        )
    });
    if let Err(error) = differentiated {
        panic!("{error}");
    }
    // SAFETY: after success each is a tensor that we own.
    found.into_iter().map(|tensor| unsafe { Tensor::from_ptr(tensor.cast()) }).collect()
}

type Backward = Box<dyn FnOnce(Tensor, &[bool]) -> Vec<Tensor> + Send>;

#[repr(C)]
struct Closure {
    data: *mut c_void,
    call: unsafe extern "C" fn(
        data: *mut c_void,
        gradient: *mut c_void,
        needed: *const bool,
        found: *mut *mut c_void,
        inputs: usize,
        error: *mut c_char,
        capacity: usize,
    ) -> bool,
    drop: unsafe extern "C" fn(data: *mut c_void),
}

/// # Safety
/// `data` is a boxed [`Backward`], which is consumed, `gradient` an owned tensor; `needed` and `found` have `inputs` elements, `error` has
/// `capacity` bytes, all zero.
unsafe extern "C" fn call(
    data: *mut c_void,
    gradient: *mut c_void,
    needed: *const bool,
    found: *mut *mut c_void,
    inputs: usize,
    error: *mut c_char,
    capacity: usize,
) -> bool {
    // SAFETY: as the caller promises.
    let (backward, gradient, needed, found, message) = unsafe {
        (
            Box::from_raw(data.cast::<Backward>()),
            Tensor::from_ptr(gradient.cast()),
            std::slice::from_raw_parts(needed, inputs),
            std::slice::from_raw_parts_mut(found, inputs),
            std::slice::from_raw_parts_mut(error.cast::<u8>(), capacity),
        )
    };
    // A panic must not pass through libtorch. Its message does, and becomes a panic again where the graph is differentiated.
    match catch(|| backward(gradient, needed)) {
        Ok(gradients) => {
            for (place, gradient) in found.iter_mut().zip(gradients) {
                *place = ManuallyDrop::new(gradient).as_mut_ptr().cast();
            }
            true
        }
        Err(Panic(text)) => {
            // The rest of the buffer is zero bytes, one of which ends the text.
            let length = text.len().min(capacity.saturating_sub(1));
            message[..length].copy_from_slice(&text.as_bytes()[..length]);
            false
        }
    }
}

/// # Safety
/// `data` is a boxed [`Backward`], which is consumed.
unsafe extern "C" fn free(data: *mut c_void) {
    // SAFETY: as the caller promises.
    drop(unsafe { Box::from_raw(data.cast::<Backward>()) });
}

unsafe extern "C" {
    fn finesift_is_recording() -> bool;
    fn finesift_attach_node(
        name: *const c_char,
        closure: Closure,
        inputs: *const *const c_void,
        count: usize,
        output: *const c_void,
        error: *mut c_char,
        capacity: usize,
    ) -> bool;
    fn finesift_gradients(
        output: *const c_void,
        gradient: *const c_void,
        inputs: *const *const c_void,
        found: *mut *mut c_void,
        count: usize,
        error: *mut c_char,
        capacity: usize,
    ) -> bool;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tch::{Device, Kind, no_grad};

    use super::*;

    fn leaf(values: &[f32]) -> Tensor {
        Tensor::from_slice(values).set_requires_grad(true)
    }

    /// x·y as a node of our own, which says when its closure is gone.
    fn product(x: &Tensor, y: &Tensor, gone: &Arc<AtomicBool>) -> Tensor {
        struct SaysWhenGone(Arc<AtomicBool>);
        impl Drop for SaysWhenGone {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let output = no_grad(|| x * y);
        let (x_kept, y_kept, gone) = (x.detach(), y.detach(), SaysWhenGone(Arc::clone(gone)));
        attach(c"Product", [x, y], &output, move |Incoming { gradient, needed }| {
            let _gone = gone;
            let times = |of: &Tensor, needed| if needed { &gradient * of } else { Tensor::new() };
            [times(&y_kept, needed[0]), times(&x_kept, needed[1])]
        });
        output
    }

    #[test]
    fn a_node_gives_the_gradients_of_its_closure_and_frees_it() {
        let (x, y) = (leaf(&[1.0, 2.0]), leaf(&[3.0, 5.0]));
        let gone = Arc::new(AtomicBool::new(false));
        assert!(is_recorded(&[&x.detach(), &x]) && !is_recorded(&[&x.detach()]) && !no_grad(|| is_recorded(&[&x])));
        let z = product(&x, &y, &gone).square() + &x;
        assert!(!gone.load(Ordering::Relaxed));
        let found = gradients(&z, &Tensor::from_slice(&[1.0f32, 10.0]), &[&x, &y]);
        assert!(gone.load(Ordering::Relaxed));
        // d(x²y² + x): 2xy² + 1 and 2x²y.
        assert_eq!(Vec::<f32>::try_from(&found[0]).unwrap(), [19.0, 1010.0]);
        assert_eq!(Vec::<f32>::try_from(&found[1]).unwrap(), [6.0, 400.0]);
        // One that is not needed, one that the output does not depend on.
        let z = product(&x, &y.detach(), &gone);
        let unused = leaf(&[1.0]);
        let found = gradients(&z, &z.ones_like(), &[&x, &unused]);
        assert_eq!(Vec::<f32>::try_from(&found[0]).unwrap(), [3.0, 5.0]);
        assert!(!found[1].defined());
        // A graph that is never differentiated.
        let gone = Arc::new(AtomicBool::new(false));
        drop(product(&x, &y, &gone));
        assert!(gone.load(Ordering::Relaxed));
    }

    #[test]
    fn a_panic_of_a_closure_is_one_where_the_graph_is_differentiated() {
        let x = leaf(&[1.0]);
        let y = no_grad(|| &x + 1.0);
        attach(c"Fails", [&x], &y, |_| panic!("out of {}", "memory"));
        let found = catch(|| gradients(&y, &y.ones_like(), &[&x]));
        assert!(found.unwrap_err().0.contains("out of memory"));
        // A second backward pass, and shapes that do not fit.
        let again = catch(|| gradients(&y, &y.ones_like(), &[&x])).unwrap_err().0;
        assert!(again.contains("Fails: a second backward pass"), "{again}");
        let x = leaf(&[1.0, 2.0]);
        let y = no_grad(|| &x + 1.0);
        attach(c"Wrong", [&x], &y, |_| [Tensor::zeros([3], (Kind::Float, Device::Cpu))]);
        let wrong = catch(|| gradients(&y, &y.ones_like(), &[&x])).unwrap_err().0;
        assert!(wrong.contains("Wrong returned an invalid gradient"), "{wrong}");
    }
}
