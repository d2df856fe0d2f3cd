//! Tensors on the CPU as slices.

use tch::{Device, Kind, Tensor};

/// Whether a tensor is one that [`as_f32`] takes.
pub fn is_contiguous_f32(tensor: &Tensor) -> bool {
    tensor.kind() == Kind::Float && tensor.device() == Device::Cpu && tensor.is_contiguous()
}

/// The elements of a tensor.
///
/// # Panics
/// If it is not fp32, contiguous and on the CPU.
pub fn as_f32(tensor: &Tensor) -> &[f32] {
    assert!(is_contiguous_f32(tensor), "not a contiguous fp32 tensor on the CPU");
    if tensor.numel() == 0 {
        return &[];
    }
    // SAFETY: a contiguous fp32 CPU tensor is `numel` floats from its data pointer, and the borrow keeps it alive.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<f32>(), tensor.numel()) }
}

/// The elements of a contiguous int32 tensor on the CPU; `None` for any other tensor.
pub fn as_i32(tensor: &Tensor) -> Option<&[i32]> {
    if tensor.kind() != Kind::Int || tensor.device() != Device::Cpu || !tensor.is_contiguous() {
        return None;
    }
    if tensor.numel() == 0 {
        return Some(&[]);
    }
    // SAFETY: a contiguous int32 CPU tensor is `numel` integers from its data pointer, and the borrow keeps it alive.
    Some(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<i32>(), tensor.numel()) })
}

/// The elements of a tensor.
///
/// # Panics
/// If it is not int64, contiguous and on the CPU.
pub fn as_i64(tensor: &Tensor) -> &[i64] {
    let fits = tensor.kind() == Kind::Int64 && tensor.device() == Device::Cpu && tensor.is_contiguous();
    assert!(fits, "not a contiguous int64 tensor on the CPU");
    if tensor.numel() == 0 {
        return &[];
    }
    // SAFETY: a contiguous int64 CPU tensor is `numel` integers from its data pointer, and the borrow keeps it alive.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<i64>(), tensor.numel()) }
}

/// The elements of a tensor that nothing else reads or writes meanwhile, such as one that was just made.
///
/// # Panics
/// As [`as_f32`].
pub fn as_f32_mut(tensor: &mut Tensor) -> &mut [f32] {
    assert!(is_contiguous_f32(tensor), "not a contiguous fp32 tensor on the CPU");
    if tensor.numel() == 0 {
        return &mut [];
    }
    // SAFETY: as above; and nothing else uses them.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<f32>(), tensor.numel()) }
}
