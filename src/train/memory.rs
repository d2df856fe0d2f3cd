//! What a run will hold in memory, worked out from shapes alone: nothing is loaded.
//!
//! Weights, state and indices follow to the byte ([`crate::sift::Values`]). Activations are an estimate. With T tokens in
//! a micro-batch (rows times the length of the longest example), hidden size H, inner size I, A heads and e bytes a
//! number, a block of an encoder that is walked back keeps
//!
//! - 7·T·H·e: what comes in, query, key, value, what attention gives, and the inputs of both norms;
//! - T·I·e: what the activation function was given;
//! - 2·T·H·m for its two dropouts, with m bytes a mask: 1 on a GPU, e on a CPU;
//! - of attention T·A·4 where it is fused; on a CPU with dropout, where it is not, 3·T·H·e for copies of query, key and
//!   value and T·L·A·(2e + m) for its weights over L tokens, before and after dropout, and the mask;
//! - the outputs of targets that would be dropped otherwise.
//!
//! One of a decoder, whose queries take Q numbers of a token and whose keys and values K each, keeps
//!
//! - 6·T·H·e: what comes in, both sums of a shortcut, both norms, and one more of a norm's own;
//! - T·(3·Q + 3·K)·e: queries, keys and values, the turned queries and keys, and what attention gives;
//! - 4·T·I·e: the gate, after its function too, what it is for, and their product;
//! - T·A·4 of attention, which is fused.
//!
//! On top are the logits of some of the tokens at a time, with their gradient: 128 MB each at most.
//!
//! All blocks from the lowest target on keep this until they are walked back. With gradient checkpointing only one does at
//! a time, and the others keep what comes in: T·H·e. On top is the way back through one block: the gradients of its
//! targets' outputs, 2·T·(H + I)·e for those in between and, on a CPU, fp32 copies of a target's input and gradient.

use crate::model::{Config, DecoderConfig, EncoderConfig, Layout, ParameterSpec};
use crate::outlook::{MemoryPart, ModelOutlook};
use crate::sift::{Role, Rules, budget};

/// Bytes of the logits that are there at a time, at most.
const LOGITS: u128 = 128 << 20;

/// What a run's memory depends on besides the network.
#[derive(Clone, Copy, Debug)]
pub struct Load {
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
    /// Micro-batches whose gradient chooses; the gradients of several have to be kept and added up.
    pub choosing: u64,
}

/// Counts what the rules choose of a network, and plans the memory of a run.
pub fn plan(config: &Config, rules: &Rules, labels: i64, load: Load) -> ModelOutlook {
    let layout = Layout::of(config, labels);
    let size = |spec: &ParameterSpec| spec.shape.iter().product::<i64>();
    let of_role = |role: Role| layout.parameters.iter().filter(move |spec| rules.role(&spec.name) == role);
    let selected = of_role(Role::Sparse).map(|spec| budget(size(spec), rules.rate) as u64).sum::<u64>();
    let of = of_role(Role::Sparse).map(|spec| size(spec) as u64).sum::<u64>();
    let dense = of_role(Role::Dense).map(|spec| size(spec) as u64).sum::<u64>();
    let widest = of_role(Role::Sparse).chain(of_role(Role::Dense)).map(size).max().unwrap_or(0);
    let index = if widest <= i64::from(i32::MAX) { 4 } else { 8 };
    let parameters = layout.components() as u64;
    let exact = |name, bytes| MemoryPart { name, bytes, estimated: false };
    let estimated = |name, bytes| MemoryPart { name, bytes, estimated: true };
    let mut memory = vec![
        exact("weights", parameters * load.dtype),
        // Masters, gradients and two moments of all that is trained, and the pre-trained values of what is selected.
        exact("selected state", selected * (5 * 4 + index)),
        exact("head state", dense * 4 * 4),
        estimated("activations", activations(config, &layout, rules, load)),
    ];
    if load.choosing > 1 {
        memory.push(estimated("while choosing", of * 4));
    }
    ModelOutlook { parameters, selected, of, dense, memory }
}

/// What a block keeps and what its way back takes, in bytes for each token of a micro-batch.
struct Block {
    kept: u128,
    back: u128,
}

/// Bytes of activations at their peak, as the top of this file says. Absurd sizes give an absurd number and no overflow.
fn activations(config: &Config, layout: &Layout, rules: &Rules, load: Load) -> u64 {
    let trained = || layout.parameters.iter().filter(|spec| rules.role(&spec.name) != Role::Frozen);
    let lowest = trained().map(|spec| spec.segment).min().unwrap_or(usize::MAX).max(1);
    let (layers, hidden) = match config {
        Config::Encoder(config) => (config.num_hidden_layers as usize, config.hidden_size as u128),
        Config::Decoder(config) => (config.num_hidden_layers as usize, config.hidden_size as u128),
    };
    // All blocks are taken for like the last, which is the first to be walked back.
    let targets: Vec<&ParameterSpec> =
        trained().filter(|spec| spec.segment == layers && spec.linear && spec.shape.len() == 2).collect();
    let (rows, number) = (u128::from(load.rows), u128::from(load.dtype));
    let tokens = rows * u128::from(load.length);
    let (block, head) = match config {
        Config::Encoder(config) => (encoder_block(config, &targets, load), rows * 4 * hidden * number),
        Config::Decoder(config) => {
            let logits = (tokens * config.vocab_size as u128 * 4).min(LOGITS);
            (decoder_block(config, load), 2 * logits + 2 * tokens * hidden * number)
        }
    };
    let gradients: u128 = targets.iter().map(|spec| spec.shape[0] as u128 * number).sum();
    let copies = |spec: &&ParameterSpec| (spec.shape[0] + spec.shape[1]) as u128 * 4;
    let copies = if load.gpu { 0 } else { targets.iter().map(copies).max().unwrap_or(0) };
    let back = tokens * (block.back + gradients + copies);
    let bytes = match (layers + 1).saturating_sub(lowest) as u128 {
        // Only the head.
        0 => head,
        blocks if load.checkpointing => blocks * tokens * hidden * number + tokens * block.kept + back.max(head),
        blocks => blocks * tokens * block.kept + back.max(head),
    };
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn encoder_block(config: &EncoderConfig, targets: &[&ParameterSpec], load: Load) -> Block {
    let (hidden, inner) = (config.hidden_size as u128, config.intermediate_size as u128);
    let heads = config.num_attention_heads as u128;
    let (length, number) = (u128::from(load.length), u128::from(load.dtype));
    let mask = if load.gpu { 1 } else { number };
    let is_target = |module: &str| {
        // Not merely the end: `output.dense` is that of `attention.output.dense` too.
        let name = format!(".layer.{}.{module}.weight", config.num_hidden_layers - 1);
        u128::from(targets.iter().any(|spec| spec.name.ends_with(&name)))
    };
    let dropout = if config.hidden_dropout_prob > 0.0 { 2 * hidden * mask } else { 0 };
    let attention = if !load.gpu && config.attention_probs_dropout_prob > 0.0 {
        3 * hidden * number + length * heads * (2 * number + mask)
    } else {
        heads * 4
    };
    let outputs = is_target("attention.output.dense") * hidden
        + is_target("intermediate.dense") * hidden
        + is_target("output.dense") * (hidden + inner);
    Block { kept: (7 * hidden + inner + outputs) * number + dropout + attention, back: 2 * (hidden + inner) * number }
}

fn decoder_block(config: &DecoderConfig, load: Load) -> Block {
    let (hidden, inner) = (config.hidden_size as u128, config.intermediate_size as u128);
    let query = (config.num_attention_heads * config.head_dim) as u128;
    let key = (config.num_key_value_heads * config.head_dim) as u128;
    Block {
        kept: (6 * hidden + 3 * query + 3 * key + 4 * inner) * u128::from(load.dtype)
            + config.num_attention_heads as u128 * 4,
        back: 2 * (hidden + inner) * u128::from(load.dtype),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RoBERTa-large and the targets of the paper's runs on GLUE.
    fn plan_of(more: impl FnOnce(&mut Load)) -> ModelOutlook {
        let folder = tempfile::tempdir().unwrap();
        let json = r#"{"model_type": "roberta", "vocab_size": 50265, "hidden_size": 1024, "num_hidden_layers": 24,
            "num_attention_heads": 16, "intermediate_size": 4096, "max_position_embeddings": 514, "type_vocab_size": 1}"#;
        std::fs::write(folder.path().join("config.json"), json).unwrap();
        let config = Config::read(folder.path()).unwrap();
        let own = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        let modules = own(&["query", "key", "value", "attention.output.dense"]);
        let rules = Rules { rate: 0.008, modules, dense: own(&["classifier"]), biases: true };
        let mut load = Load { dtype: 4, gpu: true, rows: 32, length: 128, checkpointing: false, choosing: 1 };
        more(&mut load);
        plan(&config, &rules, 2, load)
    }

    fn part(plan: &ModelOutlook, name: &str) -> u64 {
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
        let back = TOKENS * (2 * (1024 + 4096) * 4 + 4 * 1024 * 4);
        assert_eq!(part(&plan_of(|_| {}), "activations"), 24 * block + back);
        let checkpointed = part(&plan_of(|load| load.checkpointing = true), "activations");
        assert_eq!(checkpointed, 24 * TOKENS * 1024 * 4 + block + back);
        let half = part(&plan_of(|load| (load.dtype, load.rows) = (2, 16)), "activations");
        assert!(half * 4 > 24 * block && half * 4 < 25 * (block + back), "{half}");
        let most = plan_of(|load| (load.gpu, load.rows, load.length) = (false, 1 << 20, 1 << 24));
        assert!(most.bytes() > 1 << 62);
        let plan = plan_of(|load| load.choosing = 4);
        assert_eq!(part(&plan, "while choosing"), 24 * 4 * (1024 * 1024 + 1024) * 4);
    }
}
