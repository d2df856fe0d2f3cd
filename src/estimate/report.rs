//! The estimate of a preset as plain data, which needs no libtorch to show.

use crate::quantity::bytes;
pub use crate::runs::Throughput;

/// What is known about a run before it starts. `model` and `data` are absent while they are not downloaded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    /// What is not downloaded, one sentence each.
    pub missing: Vec<String>,
    pub model: Option<ModelEstimate>,
    pub data: Option<DataPreview>,
    pub device: Option<DeviceMemory>,
    /// `None` before there is a similar run.
    pub throughput: Option<Throughput>,
    /// `None` for a preset that says its batch.
    pub batch: Option<AutoBatch>,
}

/// What `train.batch = "auto"` gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AutoBatch {
    Chosen(ChosenBatch),
    /// Why no batch fits, and what would.
    NothingFits(String),
    /// What is missing to choose.
    Unknown(String),
}

/// The batch that was chosen for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenBatch {
    /// Examples of a micro-batch.
    pub batch: u64,
    /// Micro-batches of a step.
    pub accumulate: u64,
    /// The estimate.
    pub bytes: u64,
    /// Bytes that were free.
    pub free: u64,
    /// The next larger batch and its estimate; `None` if the batch is the whole step.
    pub larger: Option<(u64, u64)>,
}

/// The size of something that is not downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadSize {
    /// The sentence of [`Estimate::missing`].
    pub missing: String,
    /// What to append to it: ` (1.4 GB)`.
    pub size: String,
}

/// Components and memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelEstimate {
    /// Parameters of the model, head included.
    pub parameters: u64,
    /// Trained components of the sparse parameters.
    pub selected: u64,
    /// All components of the sparse parameters.
    pub of: u64,
    /// Components of the dense parameters, adapters included.
    pub dense: u64,
    /// Components of LoRA adapters.
    pub adapters: u64,
    /// Memory by purpose.
    pub memory: Vec<MemoryPart>,
    /// Bytes of host memory for weights that are off the GPU.
    pub offloaded: u64,
    /// Without and with gradient checkpointing; on a GPU also with weights off it, and of several ranks with weights sharded over them.
    pub fits: Vec<MemoryFit>,
    /// The parameters of the network, in its order.
    pub layout: Vec<ParameterCount>,
}

/// A parameter of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterCount {
    pub name: String,
    pub components: u64,
    /// Whether it belongs to a linear layer, as targets do.
    pub linear: bool,
}

/// Memory with or without gradient checkpointing, weights off the GPU or sharded over ranks, and the largest batch that fits the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryFit {
    pub checkpointing: bool,
    pub offload: bool,
    /// Whether each rank keeps a part of the weights of blocks.
    pub shard: bool,
    /// Memory by purpose, with the preset's micro-batch.
    pub memory: Vec<MemoryPart>,
    /// Rows of the largest micro-batch: `None` if the device is unknown, 0 if one row does not fit.
    pub largest: Option<u64>,
}

/// Memory for one purpose. All parts exist at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPart {
    /// The purpose.
    pub name: &'static str,
    pub bytes: u64,
    /// Otherwise it follows from shapes to the byte.
    pub estimated: bool,
}

/// Examples, steps and the first batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataPreview {
    pub examples: u64,
    pub eval_examples: u64,
    /// Tokens of the longest training example.
    pub longest: u64,
    pub steps: u64,
    /// Evaluations of the whole run.
    pub evaluations: u64,
    /// Rows that are left out and examples that are truncated, one sentence per reason.
    pub warnings: Vec<String>,
    /// How labels, the head or conversations are understood, a line each.
    pub notes: Vec<String>,
    /// Rows of the first batch as the model sees them.
    pub preview: Vec<Vec<TokenSpan>>,
}

/// The device of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceMemory {
    /// `CPU`, or the GPU's name.
    pub name: String,
    pub total: u64,
    /// Free now.
    pub free: u64,
    /// In use by this process.
    pub own: u64,
}

/// A token of an example, or its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSpan {
    pub text: String,
    pub role: TokenRole,
}

/// What a token is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRole {
    /// The model reads it; it is outside the loss mask.
    Context,
    /// It is in the loss mask.
    Loss,
    /// A special token such as `[CLS]` or `<s>`, outside the loss mask.
    Special,
    Padding,
    /// The class or the number to predict, not a token.
    Label,
}

impl ChosenBatch {
    /// `16 x 2, an estimated 9.1 of 12.0 GiB free; 32 would take 15.3 GiB`.
    pub fn reason(&self) -> String {
        let ChosenBatch { batch, accumulate, bytes: taken, free, larger } = self;
        let (taken, whole) = (bytes(*taken as f64), bytes(*free as f64));
        let unit = |text: &str| text.split_once(' ').map(|(_, unit)| unit.to_owned());
        let taken = if unit(&taken) == unit(&whole) { taken.split(' ').next().unwrap_or_default() } else { &taken };
        let larger = larger.map_or_else(String::new, |(rows, size)| {
            let reserve = if size <= *free { ", and a tenth stays free" } else { "" };
            format!("; {rows} would take {}{reserve}", bytes(size as f64))
        });
        format!("{batch} x {accumulate}, an estimated {taken} of {whole} free{larger}")
    }
}

impl std::fmt::Display for ChosenBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "train.batch = \"auto\": {}", self.reason())
    }
}

impl DeviceMemory {
    /// The part of one of so many processes that share it.
    pub fn shared_by(self, processes: u64) -> DeviceMemory {
        DeviceMemory { total: self.total / processes, free: self.free / processes, ..self }
    }

    /// In use by other processes.
    pub fn others(&self) -> u64 {
        self.total.saturating_sub(self.free).saturating_sub(self.own)
    }

    /// What this process has and can get.
    pub fn available(&self) -> u64 {
        self.total - self.others()
    }

    /// Who uses it, in a line: `this machine has 12.0 GiB: 3.0 GiB used by this process, 2.0 GiB by others, 7.0 GiB free`.
    pub fn parts(&self) -> String {
        let [total, own, others, free] =
            [self.total, self.own, self.others(), self.free].map(|part| bytes(part as f64));
        let name = if self.name == "CPU" { "this machine" } else { &self.name };
        format!("{name} has {total}: {own} used by this process, {others} by others, {free} free")
    }
}

impl ModelEstimate {
    /// Bytes of all parts together.
    pub fn bytes(&self) -> u64 {
        total(&self.memory)
    }
}

impl MemoryFit {
    /// Bytes of all parts together.
    pub fn bytes(&self) -> u64 {
        total(&self.memory)
    }
}

fn total(memory: &[MemoryPart]) -> u64 {
    memory.iter().fold(0, |sum, part| sum.saturating_add(part.bytes))
}

impl Estimate {
    /// Training time, evaluations included, if there is a similar run.
    pub fn seconds(&self) -> Option<f64> {
        let (throughput, data) = (self.throughput.as_ref()?, self.data.as_ref()?);
        let evaluations = throughput.seconds_per_evaluation.unwrap_or(0.0) * data.evaluations as f64;
        Some(throughput.seconds_per_step * data.steps as f64 + evaluations)
    }
}
