//! What a run of a preset would take and what the model would see: plain data, which one side works out and the other shows.

/// What is known of a run before it starts. Parts are absent where model or data are not here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    /// What is not here yet, a sentence each.
    pub missing: Vec<String>,
    /// What the model and the choice of components come to.
    pub model: Option<ModelEstimate>,
    /// What the data come to.
    pub data: Option<DataPreview>,
    /// Where it would run.
    pub device: Option<DeviceMemory>,
    /// How fast a like run was.
    pub throughput: Option<Throughput>,
}

/// What the model and the choice of components come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelEstimate {
    /// Parameters of the model, head included.
    pub parameters: u64,
    /// Components that would be selected.
    pub selected: u64,
    /// Components that these are chosen from.
    pub of: u64,
    /// Parameters that would be trained in full.
    pub dense: u64,
    /// Memory by what it is for, in bytes.
    pub memory: Vec<MemoryPart>,
    /// What it would be, and what would fit, with gradient checkpointing and without.
    pub fits: Vec<MemoryFit>,
}

/// What would fit a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryFit {
    /// Whether activations are computed twice instead of kept.
    pub checkpointing: bool,
    /// Memory by what it is for, with the micro-batch that the preset has.
    pub memory: Vec<MemoryPart>,
    /// Rows of the largest micro-batch; none where the device is not known, 0 where not even one row fits.
    pub largest: Option<u64>,
}

/// Memory that a run needs at the same time as all other parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPart {
    /// What it is for.
    pub name: &'static str,
    /// Bytes.
    pub bytes: u64,
    /// Whether it is estimated; else it follows from shapes to the byte.
    pub estimated: bool,
}

/// What the data come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataPreview {
    /// Training examples.
    pub examples: u64,
    /// Held-out examples.
    pub eval_examples: u64,
    /// Tokens of the longest training example.
    pub longest: u64,
    /// Optimizer steps.
    pub steps: u64,
    /// The first examples of the first batch as the model will see them.
    pub preview: Vec<Vec<TokenSpan>>,
}

/// Where a run would go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceMemory {
    /// `CPU`, or the GPU's name.
    pub name: String,
    /// Bytes it has.
    pub total: u64,
    /// Bytes that are free now.
    pub free: u64,
}

/// How fast a like run was.
#[derive(Clone, Debug, PartialEq)]
pub struct Throughput {
    /// The run.
    pub run: String,
    /// Seconds of work per optimizer step, evaluations included.
    pub seconds_per_step: f64,
}

/// A token of an example, or its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSpan {
    /// Its text.
    pub text: String,
    /// What it is there for.
    pub role: TokenRole,
}

/// What a token is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRole {
    /// The model reads it and is not trained on it.
    Read,
    /// The model is trained to say it.
    TrainedOn,
    /// `[CLS]`, `[SEP]`, `<s>` and their like.
    Special,
    /// It fills the row up to the batch's length.
    Padding,
    /// The class or number to predict.
    Label,
}

impl ModelEstimate {
    /// Bytes of all parts.
    pub fn bytes(&self) -> u64 {
        total(&self.memory)
    }
}

impl MemoryFit {
    /// Bytes of all parts.
    pub fn bytes(&self) -> u64 {
        total(&self.memory)
    }
}

fn total(memory: &[MemoryPart]) -> u64 {
    memory.iter().fold(0, |sum, part| sum.saturating_add(part.bytes))
}

impl Estimate {
    /// Seconds of work, as far as a like run tells.
    pub fn seconds(&self) -> Option<f64> {
        Some(self.throughput.as_ref()?.seconds_per_step * self.data.as_ref()?.steps as f64)
    }
}

/// `1.4 GiB`.
pub fn bytes(value: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scaled = value;
    let mut unit = 0;
    while scaled.abs() >= 1000.0 && unit + 1 < units.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    let decimals = if unit == 0 || scaled.abs() >= 100.0 { 0 } else { 1 };
    format!("{scaled:.decimals$} {}", units[unit])
}
