//! Names, shapes and kinds of parameters, stated once: where a layer is made.
//!
//! A layer asks its [`Builder`] for each parameter, as with candle's `VarBuilder`. Where the builder reads a checkpoint's
//! [`Parameters`](super::Parameters), the layer gets its weights; where it reads a [`Recorder`], the layer gets tensors without
//! data, and the recorder lists what was asked for.

use std::cell::RefCell;
use std::fmt::Display;

use tch::Tensor;

use super::lora::LoraConfig;

/// What a parameter is to its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// The weight of a linear layer, `[out, in]`. Its gradient is made of the layer's input and output gradient.
    LinearWeight,
    /// The bias of a linear layer, `[out]`.
    LinearBias,
    /// A table of vectors, `[rows, hidden]`: an embedding, or an `lm_head` of its own.
    Table,
    /// The weight of a norm, `[hidden]`.
    NormWeight,
    /// The bias of a norm, `[hidden]`.
    NormBias,
    /// A of a linear layer's adapter, `[r, in]`.
    LoraA,
    /// B of a linear layer's adapter, `[out, r]`.
    LoraB,
}

/// A parameter of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// Its name in a checkpoint of the whole network, head included.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// What it is to its layer.
    pub kind: ParameterKind,
    /// The segment that uses it; one past the last for an `lm_head` of its own, which only the loss uses.
    pub segment: usize,
    /// Whether it belongs to the head, which a checkpoint of the bare network lacks.
    pub head: bool,
    /// Whether it belongs to the output layer of the head: its first dimension is the labels.
    pub output: bool,
    /// Whether the loss multiplies hidden states by it to get logits.
    pub lm_head: bool,
    /// A second name that a checkpoint may have the same tensor under.
    pub tied: Option<&'static str>,
    /// The part of the name that a checkpoint of the bare network lacks: `bert.`, `model.`. Hugging Face's
    /// `base_model_prefix`.
    pub base_prefix: &'static str,
}

impl ParameterSpec {
    /// Number of components.
    pub fn components(&self) -> i64 {
        self.shape.iter().product()
    }

    /// Whether it belongs to a linear layer.
    pub fn is_linear(&self) -> bool {
        matches!(self.kind, ParameterKind::LinearWeight | ParameterKind::LinearBias)
    }

    /// Whether it belongs to the classifier: the head without a pooler, which pre-training has trained.
    pub fn is_classifier(&self) -> bool {
        self.head && self.base_prefix.is_empty()
    }

    /// Whether it is part of an adapter, which a checkpoint of the base model lacks.
    pub fn is_adapter(&self) -> bool {
        matches!(self.kind, ParameterKind::LoraA | ParameterKind::LoraB)
    }

    /// Whether it is the bias of a layer or norm.
    pub fn is_bias(&self) -> bool {
        matches!(self.kind, ParameterKind::LinearBias | ParameterKind::NormBias)
    }
}

/// Where a builder gets tensors from.
pub trait ParameterSource {
    /// The tensor of a parameter.
    fn tensor(&self, spec: ParameterSpec) -> Tensor;
}

/// Lists the parameters that layers ask for, and gives them tensors without data.
#[derive(Default)]
pub struct Recorder {
    specs: RefCell<Vec<ParameterSpec>>,
}

impl Recorder {
    /// The parameters, in the order the layers asked for them.
    pub fn into_specs(self) -> Vec<ParameterSpec> {
        self.specs.into_inner()
    }
}

impl ParameterSource for Recorder {
    fn tensor(&self, spec: ParameterSpec) -> Tensor {
        self.specs.borrow_mut().push(spec);
        Tensor::new()
    }
}

/// A place in the tree of modules, with what its parameters have in common.
#[derive(Clone)]
pub struct Builder<'a> {
    source: &'a dyn ParameterSource,
    adapters: Option<&'a LoraConfig>,
    path: String,
    segment: usize,
    head: bool,
    output: bool,
    lm_head: bool,
    tied: Option<&'static str>,
    base_prefix: &'static str,
}

impl<'a> Builder<'a> {
    /// The root of the tree, whose linear layers have these adapters.
    pub fn new(source: &'a dyn ParameterSource, adapters: Option<&'a LoraConfig>) -> Builder<'a> {
        Builder {
            source,
            adapters,
            path: String::new(),
            segment: 0,
            head: false,
            output: false,
            lm_head: false,
            tied: None,
            base_prefix: "",
        }
    }

    /// The module `name` below this one: "push prefix", as in candle. `name` may be a path.
    pub fn pp(&self, name: impl Display) -> Builder<'a> {
        let path = if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) };
        Builder { path, ..self.clone() }
    }

    /// The bare network, whose names begin with `prefix`, such as `bert.`.
    pub fn base_model(&self, prefix: &'static str) -> Builder<'a> {
        Builder { base_prefix: prefix, ..self.pp(prefix.trim_end_matches('.')) }
    }

    /// The same place, for parameters of this segment.
    pub fn in_segment(&self, segment: usize) -> Builder<'a> {
        Builder { segment, ..self.clone() }
    }

    /// The same place, for parameters of the head, which is this segment.
    pub fn in_head(&self, segment: usize) -> Builder<'a> {
        Builder { head: true, segment, ..self.clone() }
    }

    /// The same place, for the layer of the head whose outputs are the labels.
    pub fn as_output(&self) -> Builder<'a> {
        Builder { output: true, ..self.clone() }
    }

    /// The same place, for the parameter that makes logits of hidden states.
    pub fn as_lm_head(&self) -> Builder<'a> {
        Builder { lm_head: true, ..self.clone() }
    }

    /// The same place, for a parameter that a checkpoint may have under a second name.
    pub fn tied_to(&self, name: &'static str) -> Builder<'a> {
        Builder { tied: Some(name), ..self.clone() }
    }

    /// The adapters of the network's linear layers.
    pub fn adapters(&self) -> Option<&'a LoraConfig> {
        self.adapters
    }

    /// The module's name in the checkpoint.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The parameter `name` of this module.
    pub fn parameter(&self, name: &str, shape: &[i64], kind: ParameterKind) -> Tensor {
        self.source.tensor(ParameterSpec {
            name: format!("{}.{name}", self.path),
            shape: shape.to_vec(),
            kind,
            segment: self.segment,
            head: self.head,
            output: self.output,
            lm_head: self.lm_head,
            tied: self.tied,
            base_prefix: self.base_prefix,
        })
    }
}
