//! libtorch's type for a preset's dtype.

use tch::Kind;

use crate::preset::Dtype;

impl From<Dtype> for Kind {
    fn from(dtype: Dtype) -> Kind {
        match dtype {
            Dtype::F32 => Kind::Float,
            Dtype::Bf16 => Kind::BFloat16,
        }
    }
}
