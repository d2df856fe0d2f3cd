//! Types of stored tensors.

use safetensors::Dtype;
use tch::Kind;

/// libtorch's type for a safetensors dtype; `None` for those that cannot be trained.
pub fn kind(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F64 => Some(Kind::Double),
        Dtype::F32 => Some(Kind::Float),
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        _ => None,
    }
}
