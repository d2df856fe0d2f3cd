//! The groups that a step's time is shown in, by the name of an operator or span.

use serde::{Deserialize, Serialize};

/// What the time of an operator is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Products of matrices, convolutions that stand for them, and fused attention, which is two products with a softmax between.
    Products,
    /// Norms, activations, softmax, losses, reductions and arithmetic.
    ElementWise,
    /// New tensors, fills, copies and lookups by index.
    Memory,
    /// Of the training method: sampled gradients, clipping, AdamW, writing the weights. Spans of our own code, except for those of
    /// kernels.
    Method,
    /// Views, the bookkeeping of autograd, and operators that are in no list.
    Other,
    /// Between operators: our own code, freeing tensors, and starting operators.
    Outside,
}

/// What the time is recorded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section<'a> {
    /// A libtorch operator or node of the backward pass, by libtorch's name.
    Operator(&'a str),
    /// A `tracing` span.
    Span(&'a str),
    /// The whole step.
    Step,
}

/// Parts of names of operators that multiply matrices.
const PRODUCTS: [&str; 9] =
    ["addmm", "addmv", "addbmm", "baddbmm", "bmm", "convolution", "scaled_dot_product", "linear", "matmul"];

/// Names of operators that are too short to be part of others.
const PRODUCT_NAMES: [&str; 5] = ["mm", "mv", "dot", "vdot", "einsum"];

/// Starts of names of operators that make or move data.
const MEMORY: [&str; 26] = [
    "empty",
    "new_",
    "zero",
    "zeros",
    "ones",
    "full",
    "fill",
    "copy",
    "_to_copy",
    "to",
    "clone",
    "contiguous",
    "cat",
    "stack",
    "resize",
    "arange",
    "index",
    "gather",
    "scatter",
    "embedding",
    "masked_fill",
    "masked_select",
    "nonzero",
    "constant_pad",
    "repeat",
    "_local_scalar_dense",
];

/// Starts of names of operators that only describe tensors.
const VIEWS: [&str; 25] = [
    "view",
    "_unsafe_view",
    "reshape",
    "_reshape_alias",
    "as_strided",
    "alias",
    "detach",
    "expand",
    "permute",
    "t",
    "transpose",
    "numpy_T",
    "squeeze",
    "unsqueeze",
    "flatten",
    "unflatten",
    "narrow",
    "slice",
    "select",
    "split",
    "chunk",
    "unbind",
    "size",
    "item",
    "is_",
];

impl Group {
    /// In the order of the table.
    pub const ALL: [Group; 6] =
        [Group::Products, Group::ElementWise, Group::Memory, Group::Method, Group::Other, Group::Outside];

    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Group::Products => "matrix products",
            Group::ElementWise => "element-wise",
            Group::Memory => "allocation and copies",
            Group::Method => "method",
            Group::Other => "other operators",
            Group::Outside => "outside operators",
        }
    }

    /// The group of a section. An operator of `aten` that is in no list is element-wise: those are far the most.
    pub fn of(section: Section<'_>) -> Group {
        let name = match section {
            Section::Step => return Group::Outside,
            // As libtorch's: two products with a softmax between.
            Section::Span(name) if name.starts_with("kernel attention") => return Group::Products,
            Section::Span(name) if name.starts_with("kernel ") => return Group::ElementWise,
            Section::Span(_) => return Group::Method,
            Section::Operator(name) => name,
        };
        // Nodes of the backward pass and of the engine: their own time is bookkeeping, their work is done by operators in them.
        let Some((space, operator)) = name.split_once("::").filter(|(space, _)| *space != "autograd") else {
            return Group::Other;
        };
        // In place, with a number of the overload, for one backend: `add_`, `_softmax_backward_data`, `mkldnn_linear`.
        let plain = operator.trim_end_matches('_');
        let starts = |list: &[&str]| list.iter().any(|start| is_start(plain, start));
        if PRODUCT_NAMES.contains(&plain) || PRODUCTS.iter().any(|part| plain.contains(part)) {
            Group::Products
        } else if starts(&VIEWS) {
            // The gradient of a part of a tensor is a whole one.
            if plain.ends_with("_backward") { Group::Memory } else { Group::Other }
        } else if starts(&MEMORY) {
            Group::Memory
        } else if space == "aten" {
            Group::ElementWise
        } else {
            Group::Other
        }
    }
}

/// Whether a name begins with whole words: `to` with `to` and `to_dense`, not with `topk`; `new_` with all that begin so.
fn is_start(name: &str, start: &str) -> bool {
    let Some(rest) = name.strip_prefix(start) else { return false };
    rest.is_empty() || rest.starts_with('_') || start.ends_with('_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_in_the_group_of_their_work() {
        for (group, names) in [
            (
                Group::Products,
                &[
                    "aten::mm",
                    "aten::addmm",
                    "aten::addmm_",
                    "aten::bmm",
                    "aten::baddbmm",
                    "aten::linear",
                    "aten::matmul",
                    "aten::dot",
                    "aten::mkldnn_convolution",
                    "aten::convolution_backward",
                    "mkldnn::_linear_pointwise",
                    "aten::_scaled_dot_product_flash_attention_for_cpu",
                    "aten::_scaled_dot_product_flash_attention_for_cpu_backward",
                ][..],
            ),
            (
                Group::ElementWise,
                &[
                    "aten::gelu",
                    "aten::gelu_backward",
                    "aten::silu_backward",
                    "aten::native_layer_norm_backward",
                    "aten::_softmax",
                    "aten::_log_softmax_backward_data",
                    "aten::mul_",
                    "aten::add",
                    "aten::sum",
                    "aten::mean",
                    "aten::rsqrt",
                    "aten::native_dropout",
                    "aten::bernoulli_",
                    "aten::nll_loss_forward",
                    "aten::topk",
                    "aten::tanh",
                    "aten::dropout",
                ],
            ),
            (
                Group::Memory,
                &[
                    "aten::empty",
                    "aten::empty_strided",
                    "aten::empty_like",
                    "aten::zeros",
                    "aten::zeros_like",
                    "aten::slice_backward",
                    "aten::zero_",
                    "aten::ones_like",
                    "aten::fill_",
                    "aten::copy_",
                    "aten::_to_copy",
                    "aten::to",
                    "aten::clone",
                    "aten::contiguous",
                    "aten::cat",
                    "aten::index_select",
                    "aten::index_copy_",
                    "aten::embedding_dense_backward",
                    "aten::scatter_add_",
                    "aten::new_empty_strided",
                ],
            ),
            (
                Group::Other,
                &[
                    "aten::view",
                    "aten::t",
                    "aten::transpose",
                    "aten::detach",
                    "aten::as_strided",
                    "aten::slice",
                    "aten::squeeze_",
                    "AddmmBackward0",
                    "MkldnnConvolutionBackward0",
                    "autograd::engine::evaluate_function: AddmmBackward0",
                    "torch::autograd::AccumulateGrad",
                    "detach",
                ],
            ),
        ] {
            for name in names {
                assert_eq!(Group::of(Section::Operator(name)), group, "{name}");
            }
        }
        assert_eq!(Group::of(Section::Span("adamw")), Group::Method);
        assert_eq!(Group::of(Section::Span("kernel attention backward")), Group::Products);
        assert_eq!(Group::of(Section::Span("kernel gelu")), Group::ElementWise);
        assert_eq!(Group::of(Section::Step), Group::Outside);
    }

    #[test]
    fn a_start_is_of_whole_words() {
        for (name, start, is) in [
            ("to", "to", true),
            ("to_dense", "to", true),
            ("topk", "to", false),
            ("zeros_like", "zeros", true),
            ("zeros", "zero", false),
            ("t", "t", true),
            ("tanh", "t", false),
            ("new_empty", "new_", true),
        ] {
            assert_eq!(is_start(name, start), is, "{name}");
        }
    }
}
