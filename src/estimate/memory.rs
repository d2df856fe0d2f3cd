//! What a run holds in memory, computed from shapes alone: nothing is loaded.
//!
//! Weights, optimizer state and indices are exact to the byte ([`crate::sift::Values`]). The rest was derived by listing what is live
//! at the peak of real steps, and agrees with it; `finesift bench --plan` prints it beside what a run on this machine takes.
//!
//! What a block keeps from its forward to its backward pass is stated beside its `forward` ([`BlockActivations`]). All blocks from
//! that of the lowest target on keep it. With gradient checkpointing only one block does at a time, and the others keep their
//! input: T·H·e for T tokens of a micro-batch (rows times the length of the longest example), hidden size H and e bytes an element.
//!
//! The workspace on top is the largest of these, less what is freed by then:
//!
//! - after the forward pass, the logits of a chunk of a decoder's tokens and their gradient, 128 MiB each at most;
//! - within a block's MLP and attention, the gradients that are live at one time;
//! - after a block, the gradients of its targets' outputs; on a CPU fp32 copies of a target's input and gradient; on a GPU, and
//!   during selection, one dense gradient and what finding its largest components takes: 24 bytes a component;
//! - in the update, three fp32 numbers for each trained component, or for [`UPDATE_PART`] of them.
//!
//! The process itself comes on top: what libtorch takes before and while it computes.

use crate::estimate::{MemoryPart, ModelEstimate};
use crate::model::{BlockActivations, Layers, Layout, ModelConfig, ParameterSpec, TrainingStep};
use crate::sift::{Role, Rules, UPDATE_PART, budget};

/// Resident bytes of the program with libtorch before a model is there, and what libtorch touches of itself when it computes.
const PROCESS: u64 = 145 << 20;

/// What a CUDA context and the libraries' workspaces take of a GPU. A guess: drivers and GPUs differ.
const CUDA: u64 = 550 << 20;

/// Rows of a micro-batch that are thought of.
const MOST_ROWS: u64 = 1 << 20;

/// What a run's memory depends on besides the network.
#[derive(Clone, Copy, Debug)]
pub struct StepShape {
    /// Bytes of a weight.
    pub dtype: u64,
    /// Whether on a GPU.
    pub gpu: bool,
    /// Examples of a micro-batch.
    pub rows: u64,
    /// Tokens of the longest example.
    pub length: u64,
    /// Whether activations are computed twice instead of kept.
    pub checkpointing: bool,
    /// Whether there is dropout, as the config says.
    pub dropout: bool,
    /// Micro-batches whose gradient chooses; the gradients of several have to be kept and added up.
    pub choosing: u64,
    /// Whether linear layers go by oneDNN ([`by_onednn`](crate::model::by_onednn)) and keep what they are given.
    pub keeps_inputs: bool,
    /// Micro-batches of a step; a GPU holds the gradients of several in fp32, and those of one in the weights' type.
    pub micro_batches: u64,
}

/// Counts what the rules choose of a network, and plans the memory of a run.
pub fn plan(config: &ModelConfig, rules: &Rules, labels: i64, load: StepShape) -> ModelEstimate {
    let (layout, layers) = Layout::with_layers(config, labels);
    let size = |spec: &ParameterSpec| spec.shape.iter().product::<i64>();
    let of_role = |role: Role| layout.parameters.iter().filter(move |spec| rules.role(&spec.name) == role);
    let selected = of_role(Role::Sparse).map(|spec| budget(size(spec), rules.rate) as u64).sum::<u64>();
    let of = of_role(Role::Sparse).map(|spec| size(spec) as u64).sum::<u64>();
    let dense = of_role(Role::Dense).map(|spec| size(spec) as u64).sum::<u64>();
    let widest = of_role(Role::Sparse).chain(of_role(Role::Dense)).map(size).max().unwrap_or(0);
    let index = if widest <= i64::from(i32::MAX) { 4 } else { 8 };
    let gradient = if load.gpu && load.micro_batches == 1 { load.dtype } else { 4 };
    let parameters = layout.components() as u64;
    let (activations, workspace) = Shapes::new(config, &layout, &layers, rules, load).peak(selected, dense);
    let exact = |name, bytes| MemoryPart { name, bytes, estimated: false };
    let estimated = |name, bytes| MemoryPart { name, bytes, estimated: true };
    let mut memory = vec![
        exact("weights", parameters * load.dtype),
        // Masters and two moments of all that is trained, their gradients, and of what is selected the pre-trained values in
        // the weights' type.
        exact("selected state", selected * (3 * 4 + gradient + load.dtype + index)),
        exact("head state", dense * (3 * 4 + gradient)),
        estimated("activations", activations),
        estimated("workspace", workspace),
        estimated("process", if load.gpu { CUDA } else { PROCESS }),
    ];
    if load.choosing > 1 {
        memory.push(estimated("while choosing", of * 4));
    }
    ModelEstimate { parameters, selected, of, dense, memory, fits: Vec::new() }
}

/// The largest micro-batch, in rows, for which a run takes at most `most` bytes; 0 if there is none.
pub fn largest_batch(config: &ModelConfig, rules: &Rules, labels: i64, load: StepShape, most: u64) -> u64 {
    let fits = |rows: u64| plan(config, rules, labels, StepShape { rows, ..load }).bytes() <= most;
    let (mut below, mut above) = (0, MOST_ROWS + 1);
    while above - below > 1 {
        let rows = below + (above - below) / 2;
        if fits(rows) { below = rows } else { above = rows }
    }
    below
}

/// What a step's memory follows from, in bytes for each token of a micro-batch where nothing else is said.
struct Shapes {
    tokens: u128,
    block: BlockActivations,
    /// A block's input.
    input: u128,
    /// After a block's backward pass, on top of what it keeps.
    behind: i128,
    /// Bytes, whatever the tokens: one dense gradient, and what finding its largest components takes.
    dense: u128,
    /// Bytes of the head and the loss.
    loss: u128,
    /// Blocks with a backward pass.
    blocks: u128,
    checkpointing: bool,
}

impl Shapes {
    fn new(config: &ModelConfig, layout: &Layout, layers: &Layers, rules: &Rules, load: StepShape) -> Shapes {
        let is_trained = |name: &str| rules.role(name) != Role::Frozen;
        let trained = || layout.parameters.iter().filter(|spec| is_trained(&spec.name));
        let lowest = trained().map(|spec| spec.segment).min().unwrap_or(usize::MAX).max(1);
        let last = config.num_hidden_layers() as usize;
        let targets: Vec<&ParameterSpec> =
            trained().filter(|spec| spec.segment == last && spec.is_linear() && spec.shape.len() == 2).collect();
        let element = u128::from(load.dtype);
        let step = TrainingStep {
            element_size: element,
            gpu: load.gpu,
            rows: u128::from(load.rows),
            length: u128::from(load.length),
            dropout: load.dropout,
            keeps_inputs: load.keeps_inputs,
            is_trained: &is_trained,
        };
        let block = layers.last_block_activations(&step).unwrap_or_default();
        let loss = match layers {
            Layers::Encoder(encoder) => encoder.loss_memory(config.hidden_size(), &step),
            Layers::Decoder(decoder) => decoder.loss_memory(&step),
        };
        let input = config.hidden_size() as u128 * element;
        let gradients: u128 = targets.iter().map(|spec| spec.shape[0] as u128 * element).sum();
        let copies = |spec: &&ParameterSpec| (spec.shape[0] + spec.shape[1]) as u128 * 4;
        let copies = if load.gpu { 0 } else { targets.iter().map(copies).max().unwrap_or(0) };
        let largest = targets.iter().map(|spec| spec.components() as u128).max().unwrap_or(0);
        Shapes {
            tokens: step.tokens(),
            block,
            input,
            behind: (gradients + 2 * input + copies + block.inputs) as i128 - block.kept as i128,
            dense: largest * if element == 4 { 24 } else { 26 },
            loss,
            blocks: (last + 1).saturating_sub(lowest) as u128,
            checkpointing: load.checkpointing,
        }
    }

    /// Bytes of activations when all that is kept is there, and of what else there is at the peak. Absurd sizes give an absurd number
    /// and no overflow.
    fn peak(&self, selected: u64, dense: u64) -> (u64, u64) {
        let (tokens, blocks) = (self.tokens, self.blocks);
        let on_the_way = match (blocks, self.checkpointing) {
            (0, _) => 0,
            (blocks, true) => (blocks - 1) * tokens * self.input + tokens * self.block.kept,
            (blocks, false) => blocks * tokens * self.block.kept,
        };
        let behind_the_forward_pass = match (blocks, self.checkpointing) {
            (blocks, true) => blocks * tokens * self.input,
            (_, false) => on_the_way,
        };
        let signed = |bytes: i128| on_the_way as i128 + tokens as i128 * bytes;
        let mut moments = vec![
            (behind_the_forward_pass + self.loss) as i128,
            // The state is not there yet while components are chosen, but for their indices.
            signed(self.behind) + self.dense as i128 - 16 * i128::from(selected),
            12 * i128::from(selected + dense).min(UPDATE_PART.into()),
        ];
        if blocks > 0 {
            moments.extend([signed(self.block.mlp as i128), signed(self.block.attention), signed(self.behind)]);
        }
        let peak = moments.into_iter().max().unwrap_or(0).max(0) as u128;
        let bytes = |bytes: u128| u64::try_from(bytes).unwrap_or(u64::MAX);
        (bytes(on_the_way.min(peak)), bytes(peak.saturating_sub(on_the_way)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: StepShape = StepShape {
        dtype: 4,
        gpu: true,
        rows: 1,
        length: 128,
        checkpointing: false,
        dropout: true,
        choosing: 1,
        keeps_inputs: false,
        micro_batches: 1,
    };

    /// RoBERTa-large and the targets of the paper's runs on GLUE.
    fn plan_of(more: impl FnOnce(&mut StepShape)) -> ModelEstimate {
        let folder = tempfile::tempdir().unwrap();
        let json = r#"{"model_type": "roberta", "vocab_size": 50265, "hidden_size": 1024, "num_hidden_layers": 24,
            "num_attention_heads": 16, "intermediate_size": 4096, "max_position_embeddings": 514, "type_vocab_size": 1}"#;
        std::fs::write(folder.path().join("config.json"), json).unwrap();
        let config = ModelConfig::read(folder.path()).unwrap();
        let own = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        let modules = own(&["query", "key", "value", "attention.output.dense"]);
        let rules = Rules { rate: 0.008, modules, dense: own(&["classifier"]), biases: true };
        let mut load = StepShape { rows: 32, ..LOAD };
        more(&mut load);
        plan(&config, &rules, 2, load)
    }

    fn part(plan: &ModelEstimate, name: &str) -> u64 {
        plan.memory.iter().find(|part| part.name == name).map_or(0, |part| part.bytes)
    }

    #[test]
    fn counts_are_those_of_the_paper() {
        let plan = plan_of(|_| {});
        assert_eq!((plan.selected, plan.dense, plan.parameters), (806_208, 1_051_650, 355_361_794));
        assert_eq!(part(&plan, "weights"), 4 * 355_361_794);
        assert_eq!(part(&plan, "selected state"), 24 * 806_208);
        assert_eq!(part(&plan, "head state"), 16 * 1_051_650);
    }

    #[test]
    fn activations_follow_the_formula() {
        const TOKENS: u64 = 32 * 128;
        // Seven hidden sizes, the inner size, the output of a target, two masks, the sums of fused attention.
        let block = TOKENS * ((8 * 1024 + 4096) * 4 + 2 * 1024 + 16 * 4);
        let back = TOKENS * 2 * (1024 + 4096) * 4;
        assert_eq!(part(&plan_of(|_| {}), "activations"), 24 * block);
        assert_eq!(part(&plan_of(|_| {}), "workspace"), back);
        let checkpointed = plan_of(|load| load.checkpointing = true);
        assert_eq!(part(&checkpointed, "activations"), 23 * TOKENS * 1024 * 4 + block);
        assert_eq!(part(&checkpointed, "workspace"), back);
        let half = part(&plan_of(|load| (load.dtype, load.rows) = (2, 16)), "activations");
        assert!(half * 4 > 24 * block && half * 4 < 25 * block, "{half}");
        let without_masks = part(&plan_of(|load| load.dropout = false), "activations");
        assert_eq!(without_masks, 24 * (block - TOKENS * 2 * 1024));
        let most = plan_of(|load| (load.gpu, load.rows, load.length) = (false, 1 << 20, 1 << 24));
        assert!(most.bytes() > 1 << 62);
        let plan = plan_of(|load| load.choosing = 4);
        assert_eq!(part(&plan, "while choosing"), 24 * 4 * (1024 * 1024 + 1024) * 4);
    }

    /// What was live at the peak of real steps on a CPU, as an allocator that counted told: 2 and 3 blocks of the shapes of
    /// MiniLM (32 x 128, dropout or not, checkpointing or not) and of a small decoder (8 x 256).
    #[test]
    fn blocks_and_workspace_are_what_was_counted() {
        let minilm = r#"{"model_type": "bert", "vocab_size": 30522, "hidden_size": 384, "num_hidden_layers": 3,
            "num_attention_heads": 12, "intermediate_size": 1536, "max_position_embeddings": 512}"#;
        let decoder = r#"{"model_type": "llama", "vocab_size": 512, "hidden_size": 576, "num_hidden_layers": 3,
            "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 32, "intermediate_size": 1536,
            "max_position_embeddings": 8192, "tie_word_embeddings": true}"#;
        let cpu = |rows, length| StepShape { gpu: false, rows, length, dropout: false, ..LOAD };
        let attention = ["query", "key", "value", "attention.output.dense"].as_slice();
        let all = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"].as_slice();
        // ModelConfig, targets, rate, load, and MiB of activations and workspace that were counted for three blocks.
        let counted = [
            (minilm, attention, 0.008, cpu(32, 128), 276.0),
            (minilm, attention, 0.008, StepShape { dropout: true, ..cpu(32, 128) }, 575.6),
            (minilm, attention, 0.008, StepShape { checkpointing: true, ..cpu(32, 128) }, 143.8),
            (decoder, all, 0.05, cpu(8, 256), 312.9),
            (decoder, all, 0.05, StepShape { checkpointing: true, ..cpu(8, 256) }, 149.3),
        ];
        for (json, modules, rate, load, expected) in counted {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("config.json"), json).unwrap();
            let config = ModelConfig::read(folder.path()).unwrap();
            let own = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
            let rules = Rules { rate, modules: own(modules), dense: own(&["classifier"]), biases: true };
            let plan = plan(&config, &rules, 2, load);
            let got = (part(&plan, "activations") + part(&plan, "workspace")) as f64 / f64::from(1 << 20);
            assert!((got / expected - 1.0).abs() < 0.04, "{load:?}: {got:.1} MiB, counted {expected}");
        }
    }

    #[test]
    fn the_largest_batch_fits_and_one_more_does_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), r#"{"model_type": "roberta"}"#).unwrap();
        let config = ModelConfig::read(folder.path()).unwrap();
        let rules = Rules { rate: 0.01, modules: vec!["query".into()], dense: Vec::new(), biases: true };
        let load = LOAD;
        let most = 8 << 30;
        let rows = largest_batch(&config, &rules, 2, load, most);
        let bytes = |rows| plan(&config, &rules, 2, StepShape { rows, ..load }).bytes();
        assert!(rows > 0 && bytes(rows) <= most && bytes(rows + 1) > most, "{rows}");
        assert_eq!(largest_batch(&config, &rules, 2, load, 1 << 20), 0);
    }
}
