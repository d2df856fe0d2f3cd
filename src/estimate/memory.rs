//! What a run will hold in memory, worked out from shapes alone: nothing is loaded.
//!
//! Weights, state and indices follow to the byte ([`crate::sift::Values`]). The rest was derived by listing what is live at the peak
//! of real steps, and agrees with it; `finesift bench --plan` prints it beside what a run on this machine takes. With T tokens in
//! a micro-batch (rows times the length of the longest example), hidden size H, inner size I, A heads and e bytes a
//! number, a block of an encoder that is walked back keeps
//!
//! - 7·T·H·e: what comes in, query, key, value, what attention gives, and the inputs of both norms;
//! - T·I·e: what the activation function was given;
//! - 2·T·H·m for its two dropouts, with m bytes a mask: 1 on a GPU, e on a CPU;
//! - of attention T·A·4 where it is fused; on a CPU with dropout, where it is not, 3·T·H·e for copies of query, key and
//!   value and T·L·A·(2e + m) for its weights over L tokens, before and after dropout, and the mask;
//! - of targets what would be dropped otherwise: the outputs of `attention.output.dense` and `output.dense`, and the inputs of
//!   `intermediate.dense` and `output.dense`.
//!
//! One of a decoder, whose queries take Q numbers of a token and whose keys and values K each, keeps
//!
//! - T·H·e of what comes in and T·H·4 for each norm's input, which is the same memory where e is 4;
//! - 2·T·(Q + K)·e: turned queries and keys, values, and what attention gives; T·A·4 of attention, which is fused;
//! - 3·T·I·e: the gate, after its function too, and what it is for;
//! - of targets their inputs and outputs, where these are not among the above: T·H·e for q, k and v together, T·H·e for gate and up
//!   together, T·I·e for down; Q, K, H and H for the outputs of q, k, o and down; on a CPU Q for a copy of what o is given.
//!
//! Linear layers that go by oneDNN keep their inputs, as targets do.
//!
//! All blocks from the lowest target on keep this until they are walked back. With gradient checkpointing only one does at a time,
//! and the others keep what comes in: T·H·e.
//!
//! The workspace on top is the largest of what is there at different moments, less what is given back by then:
//!
//! - behind the forward pass the logits of some tokens of a decoder, twice, 128 MiB each at most;
//! - in a block's perceptron the gradients within: 2·T·(H + I)·e of an encoder, 3·T·(H + I)·e of a decoder;
//! - in its attention, where that is not fused, T·L·A·e;
//! - behind a block the gradients of its targets' outputs; on a CPU fp32 copies of a target's input and gradient, else, and while
//!   components are chosen, one whole gradient and what it takes to find its largest: 24 bytes a component;
//! - in the update three fp32 numbers for each that is trained, or for [`UPDATE_PART`] of them.
//!
//! The process itself is there besides: what libtorch takes before and while it computes.

use crate::estimate::{MemoryPart, ModelEstimate};
use crate::model::{DecoderConfig, EncoderConfig, Layout, ModelConfig, ParameterSpec};
use crate::sift::{Role, Rules, UPDATE_PART, budget};

/// Bytes of the logits that are there at a time, at most.
const LOGITS: u128 = 128 << 20;

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
    let layout = Layout::of(config, labels);
    let size = |spec: &ParameterSpec| spec.shape.iter().product::<i64>();
    let of_role = |role: Role| layout.parameters.iter().filter(move |spec| rules.role(&spec.name) == role);
    let selected = of_role(Role::Sparse).map(|spec| budget(size(spec), rules.rate) as u64).sum::<u64>();
    let of = of_role(Role::Sparse).map(|spec| size(spec) as u64).sum::<u64>();
    let dense = of_role(Role::Dense).map(|spec| size(spec) as u64).sum::<u64>();
    let widest = of_role(Role::Sparse).chain(of_role(Role::Dense)).map(size).max().unwrap_or(0);
    let index = if widest <= i64::from(i32::MAX) { 4 } else { 8 };
    let gradient = if load.gpu && load.micro_batches == 1 { load.dtype } else { 4 };
    let parameters = layout.components() as u64;
    let (activations, workspace) = Shapes::new(config, &layout, rules, load).peak(selected, dense);
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
    /// What a block keeps until it is walked back.
    kept: u128,
    /// What comes into a block.
    input: u128,
    /// On top of `kept`: within the perceptron, within attention, and behind a block.
    perceptron: u128,
    attention: i128,
    behind: i128,
    /// Bytes, whatever the tokens: one whole gradient, and what it takes to find its largest.
    whole: u128,
    /// Bytes: logits and what goes with them.
    head: u128,
    /// Blocks that are walked back.
    blocks: u128,
    checkpointing: bool,
}

impl Shapes {
    fn new(config: &ModelConfig, layout: &Layout, rules: &Rules, load: StepShape) -> Shapes {
        let trained = || layout.parameters.iter().filter(|spec| rules.role(&spec.name) != Role::Frozen);
        let lowest = trained().map(|spec| spec.segment).min().unwrap_or(usize::MAX).max(1);
        let (layers, hidden, inner) = match config {
            ModelConfig::Encoder(config) => (config.num_hidden_layers, config.hidden_size, config.intermediate_size),
            ModelConfig::Decoder(config) => (config.num_hidden_layers, config.hidden_size, config.intermediate_size),
        };
        let (layers, hidden, inner) = (layers as usize, hidden as u128, inner as u128);
        // All blocks are taken for like the last, which is the first to be walked back.
        let targets: Vec<&ParameterSpec> =
            trained().filter(|spec| spec.segment == layers && spec.linear && spec.shape.len() == 2).collect();
        // Not merely the end of a name: `output.dense` is that of `attention.output.dense` too.
        let is_target = |module: &str| {
            let name = format!(".{}.{module}.weight", layers.saturating_sub(1));
            targets.iter().any(|spec| spec.name.ends_with(&name))
        };
        let (rows, number) = (u128::from(load.rows), u128::from(load.dtype));
        let tokens = rows * u128::from(load.length);
        let input = hidden * number;
        let (kept, inputs, perceptron, attention, head) = match config {
            ModelConfig::Encoder(config) => {
                let (kept, inputs) = encoder_block(config, &is_target, load);
                let scores = u128::from(load.length) * config.num_attention_heads as u128 * number;
                let unfused = if is_unfused(config, load) { scores } else { 0 };
                let attention = (unfused + 2 * input) as i128 - (inner * number) as i128;
                (kept, inputs, 2 * (hidden + inner) * number, attention, rows * 4 * input)
            }
            ModelConfig::Decoder(config) => {
                let (kept, inputs) = decoder_block(config, &is_target, load);
                let logits = (tokens * config.vocab_size as u128 * 4).min(LOGITS);
                // The normed states are there to the end of the walk.
                let perceptron = 3 * (hidden + inner) * number + input;
                (kept, inputs, perceptron, 0, 2 * logits + 5 * tokens * input)
            }
        };
        let gradients: u128 = targets.iter().map(|spec| spec.shape[0] as u128 * number).sum();
        let copies = |spec: &&ParameterSpec| (spec.shape[0] + spec.shape[1]) as u128 * 4;
        let copies = if load.gpu { 0 } else { targets.iter().map(copies).max().unwrap_or(0) };
        let size = |spec: &&ParameterSpec| spec.shape.iter().product::<i64>() as u128;
        Shapes {
            tokens,
            kept,
            input,
            perceptron,
            attention,
            behind: (gradients + 2 * input + copies + inputs) as i128 - kept as i128,
            whole: targets.iter().map(size).max().unwrap_or(0) * if number == 4 { 24 } else { 26 },
            head,
            blocks: (layers + 1).saturating_sub(lowest) as u128,
            checkpointing: load.checkpointing,
        }
    }

    /// Bytes of activations when all that is kept is there, and of what else there is at the peak. Absurd sizes give an absurd number
    /// and no overflow.
    fn peak(&self, selected: u64, dense: u64) -> (u64, u64) {
        let (tokens, blocks) = (self.tokens, self.blocks);
        let on_the_way = match (blocks, self.checkpointing) {
            (0, _) => 0,
            (blocks, true) => (blocks - 1) * tokens * self.input + tokens * self.kept,
            (blocks, false) => blocks * tokens * self.kept,
        };
        let behind_the_forward_pass = match (blocks, self.checkpointing) {
            (blocks, true) => blocks * tokens * self.input,
            (_, false) => on_the_way,
        };
        let signed = |bytes: i128| on_the_way as i128 + tokens as i128 * bytes;
        let mut moments = vec![
            (behind_the_forward_pass + self.head) as i128,
            // The state is not there yet while components are chosen, but for their indices.
            signed(self.behind) + self.whole as i128 - 16 * i128::from(selected),
            12 * i128::from(selected + dense).min(UPDATE_PART.into()),
        ];
        if blocks > 0 {
            moments.extend([signed(self.perceptron as i128), signed(self.attention), signed(self.behind)]);
        }
        let peak = moments.into_iter().max().unwrap_or(0).max(0) as u128;
        let bytes = |bytes: u128| u64::try_from(bytes).unwrap_or(u64::MAX);
        (bytes(on_the_way.min(peak)), bytes(peak.saturating_sub(on_the_way)))
    }
}

/// Whether attention keeps its weights: libtorch has none that is fused and drops out on a CPU.
fn is_unfused(config: &EncoderConfig, load: StepShape) -> bool {
    !load.gpu && load.dropout && config.attention_probs_dropout_prob > 0.0
}

/// Bytes a token that a block keeps, and those of them that are inputs of targets.
fn encoder_block(config: &EncoderConfig, is_target: &dyn Fn(&str) -> bool, load: StepShape) -> (u128, u128) {
    let (hidden, inner) = (config.hidden_size as u128, config.intermediate_size as u128);
    let heads = config.num_attention_heads as u128;
    let (length, number) = (u128::from(load.length), u128::from(load.dtype));
    let mask = if load.gpu { 1 } else { number };
    let target = |module: &str| u128::from(is_target(module));
    let dropout = if load.dropout && config.hidden_dropout_prob > 0.0 { 2 * hidden * mask } else { 0 };
    let attention =
        if is_unfused(config, load) { 3 * hidden * number + length * heads * (2 * number + mask) } else { heads * 4 };
    let (projection, intermediate, output) =
        (target("attention.output.dense"), target("intermediate.dense"), target("output.dense"));
    let keeps = u128::from(load.keeps_inputs);
    let besides = (projection + intermediate.max(keeps) + output) * hidden + output.max(keeps) * inner;
    let inputs = (1 + projection + intermediate) * hidden + output * inner;
    ((7 * hidden + inner + besides) * number + dropout + attention, inputs * number)
}

/// As of an encoder.
fn decoder_block(config: &DecoderConfig, is_target: &dyn Fn(&str) -> bool, load: StepShape) -> (u128, u128) {
    let (hidden, inner) = (config.hidden_size as u128, config.intermediate_size as u128);
    let heads = config.num_attention_heads as u128;
    let query = heads * config.head_dim as u128;
    let key = (config.num_key_value_heads * config.head_dim) as u128;
    let number = u128::from(load.dtype);
    let target = |module: &str| u128::from(is_target(module));
    let (q, k, v, o) = (
        target("self_attn.q_proj"),
        target("self_attn.k_proj"),
        target("self_attn.v_proj"),
        target("self_attn.o_proj"),
    );
    let (gate, up, down) = (target("mlp.gate_proj"), target("mlp.up_proj"), target("mlp.down_proj"));
    let keeps = u128::from(load.keeps_inputs);
    let copied = if load.gpu { 0 } else { o.max(keeps) * query };
    let inputs = q.max(k).max(v) * hidden + gate.max(up) * hidden + down * inner;
    let given = (q.max(k).max(v).max(keeps) + gate.max(up).max(keeps)) * hidden + down.max(keeps) * inner;
    let outputs = q * query + k * key + (o + down) * hidden;
    // Norms reckon in fp32: what goes in is kept in that type.
    let norms = if number == 4 { 2 * hidden * 4 } else { hidden * number + 2 * hidden * 4 };
    let head_norms = match (config.qk_norm, number) {
        (false, _) => 0,
        (true, 4) => ((1 - q) * query + (1 - k) * key) * 4,
        (true, _) => (query + key) * 4,
    };
    let kept = (2 * query + 2 * key + 3 * inner + given + outputs + copied) * number;
    (kept + norms + head_norms + heads * 4, (inputs + o * query) * number)
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
