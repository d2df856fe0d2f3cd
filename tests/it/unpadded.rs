//! Batches without their padding compute what each example computes alone, and what the padded layout does.

use std::cell::Cell;
use std::iter::repeat_n;

use finesift::data::instruct::pack;
use finesift::data::{Batch, BatchLabels, Encoded, Label, Sequence, collate, collate_sequences};
use finesift::device::shim::{OperatorEvent, observe_operators};
use finesift::eval::DeviceBatch;
use finesift::model::backward::{BackwardOptions, GradTargets, Gradient, gradients};
use finesift::model::{Head, LoadOptions, LoraConfig, Network};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use crate::place;
use crate::run::turn;
use crate::sift::with_dropout;

/// Relative.
const TOLERANCE: f64 = 1e-6;

const ENCODERS: [&str; 3] = ["tiny-bert", "tiny-roberta", "tiny-roberta-pad7"];
/// Mistral's window has 8 tokens, Qwen3 normalises heads, and queries share keys.
const DECODERS: [&str; 6] =
    ["tiny-llama", "tiny-llama-tied", "tiny-llama-dynamic", "tiny-mistral", "tiny-qwen2", "tiny-qwen3"];

#[test]
fn an_example_computes_the_same_with_and_without_the_padding_of_others() {
    for name in ENCODERS.into_iter().chain(DECODERS) {
        let network = network(name);
        // One of a single token, neighbours of the same length, one as long as the rows, and padding in each row.
        for (lengths, length) in [(&[1, 12, 3, 3, 7, 12, 1][..], 12), (&[5], 9), (&[2, 9], 20), (&[2, 1, 1], 4)] {
            let examples = Examples::new(&network, lengths, 4);
            let batch = widened(&network, examples.batch(), length);
            check(&network, name, &batch, &examples.apart());
        }
    }
}

#[test]
fn packed_examples_compute_the_same_as_apart() {
    for name in DECODERS {
        let network = network(name);
        let sequences = Examples::new(&network, &[9, 1, 4, 4, 13, 2, 7, 16], 5).sequences();
        let rows = pack(sequences.clone(), 16);
        let packed = collate_sequences(&rows, &(0..rows.len()).collect::<Vec<_>>(), 0);
        assert!(packed.rows == 4 && packed.position_ids.is_some());
        let apart: Vec<Batch> =
            (0..sequences.len()).map(|number| collate_sequences(&sequences, &[number], 0)).collect();
        check(&network, name, &packed, &apart);
        check(&network, name, &widened(&network, packed, 30), &apart);
    }
}

#[test]
fn adapters_see_tokens_only() {
    for name in ["tiny-bert", "tiny-mistral"] {
        let mut network = network(name);
        let modules = network.parameters.specs().iter().filter(|spec| spec.is_linear() && !spec.head);
        let modules = modules.filter_map(|spec| Some(spec.name.strip_suffix(".weight")?.to_owned())).collect();
        network.add_adapters(&LoraConfig { r: 2, alpha: 4.0, dropout: 0.0, modules }, 1);
        // B is zero at first, and A then has no gradient.
        for spec in network.parameters.specs().iter().filter(|spec| spec.is_adapter()) {
            let values = Tensor::arange(spec.components(), (Kind::Float, place::device())).sin() * 0.1;
            network.parameters.get(&spec.name).copy_(&values.view(&spec.shape[..]));
        }
        let examples = Examples::new(&network, &[11, 2, 5], 6);
        check(&network, name, &examples.batch(), &examples.apart());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_lengths_compute_the_same(
        lengths in prop::collection::vec(1_usize..17, 1..7), more in 0_usize..5, seed: u64, packed: bool,
    ) {
        for name in ["tiny-bert", "tiny-mistral"] {
            let network = network(name);
            let examples = Examples::new(&network, &lengths, seed);
            let batch = match packed && network.decoder().is_some() {
                true => {
                    let rows = pack(examples.sequences(), 24);
                    collate_sequences(&rows, &(0..rows.len()).collect::<Vec<_>>(), 0)
                }
                false => examples.batch(),
            };
            let length = batch.length + more;
            let batch = widened(&network, batch, length);
            let found = differentiate(&network, &batch, Layout::Unpadded, OPTIONS);
            compare(name, &found, &differentiate(&network, &batch, Layout::Padded, OPTIONS));
        }
    }
}

#[test]
fn linear_layers_see_half_the_tokens_where_half_are_padding() {
    if place::skipped_on_gpu("a GPU computes padding") {
        return;
    }
    for name in ["tiny-bert", "tiny-llama"] {
        let network = network(name);
        let batch = Examples::new(&network, &[16, 4, 4, 8], 1).batch();
        assert_eq!((batch.tokens, batch.rows * batch.length), (32, 64));
        let names: Vec<&str> = names(&network).collect();
        let targets = GradTargets::new(&network.parameters, names.iter().copied());
        let loaded = DeviceBatch::new(&batch, place::device());
        let objective = network.objective(&loaded.targets, 1.0);
        let mut layers = 0;
        let _ = gradients(&*network.segments(&loaded.inputs), &targets, OPTIONS, &objective, &mut |found| {
            for gradient in found {
                let Gradient::Linear { slots, x, dy } = gradient else { continue };
                let name = names[slots.weight.or(slots.bias).unwrap()];
                // The head sees one token of each example.
                let expected = if name.contains("pooler") || name.contains("classifier") { 4 } else { 32 };
                assert_eq!((x.size()[0], dy.size()[0]), (expected, expected), "{name}");
                layers += 1;
            }
        });
        assert!(layers >= 14, "{layers}");
    }
}

#[test]
fn a_batch_without_labels_has_gradients_of_zero() {
    let network = network("tiny-mistral");
    // A first token is no label.
    let batch = widened(&network, Examples::new(&network, &[1, 1], 0).batch(), 5);
    for layout in [Layout::Unpadded, Layout::Padded] {
        let found = differentiate(&network, &batch, layout, OPTIONS);
        assert_eq!(found.loss, 0.0);
        assert!(found.gradients.iter().all(|(_, gradient)| gradient.norm().double_value(&[]) == 0.0));
    }
}

#[test]
fn rows_of_padding_change_nothing() {
    for name in ["tiny-roberta", "tiny-llama"] {
        let network = network(name);
        let examples = Examples::new(&network, &[6, 3], 2);
        let batch = examples.batch();
        let outputs = |batch: &Batch| network.output(&DeviceBatch::new(batch, place::device()).inputs);
        let expected = outputs(&batch);
        let mut more = batch.clone();
        more.rows += 1;
        more.input_ids.extend([network.config.pad_token_id(); 6]);
        more.sequence_ids.extend([0; 6]);
        more.token_type_ids.extend([0; 6]);
        let found = outputs(&more);
        assert_eq!(found.size()[0], 3);
        assert!(off(&found.narrow(0, 0, 2), &expected) < TOLERANCE && found.isfinite().all().int64_value(&[]) == 1);
    }
}

#[test]
fn steps_with_dropout_repeat_to_the_bit() {
    let _turn = turn();
    let folder = with_dropout();
    let options =
        LoadOptions { head: Head::as_stored(3), dtype: Kind::Float, device: place::device(), offload: None, seed: 0 };
    let network = Network::open(folder.path(), &options, &|_| {}).unwrap().0;
    let batch = Examples::new(&network, &[14, 3, 8, 8, 1], 3).batch();
    let training = BackwardOptions { training: true, ..OPTIONS };
    let first = differentiate(&network, &batch, Layout::Unpadded, training);
    let second = differentiate(&network, &batch, Layout::Unpadded, training);
    assert_eq!(first.loss.to_bits(), second.loss.to_bits());
    assert!(first.gradients.iter().zip(&second.gradients).all(|((_, a), (_, b))| a.equal(b)));
    // Dropout was on, attention's included.
    assert!((first.loss - differentiate(&network, &batch, Layout::Unpadded, OPTIONS).loss).abs() > 1e-4);
}

thread_local! {
    /// Calls of the fused kernel, and of all others for attention.
    static CALLS: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

fn count(event: OperatorEvent<'_>) {
    let (fused, other) = CALLS.get();
    match event {
        OperatorEvent::Started("aten::_scaled_dot_product_flash_attention_for_cpu") => CALLS.set((fused + 1, other)),
        OperatorEvent::Started("aten::_scaled_dot_product_attention_math") => CALLS.set((fused, other + 1)),
        _ => {}
    }
}

#[test]
fn attention_takes_its_fused_kernel_once_for_each_length() {
    if place::skipped_on_gpu("the kernel is the CPU's") {
        return;
    }
    for name in ENCODERS.into_iter().chain(DECODERS) {
        let network = network(name);
        let loaded = DeviceBatch::new(&Examples::new(&network, &[10, 1, 3, 10, 3, 2], 7).batch(), place::device());
        CALLS.set((0, 0));
        let observer = observe_operators(count).unwrap();
        let _ = network.output(&loaded.inputs);
        drop(observer);
        assert_eq!(CALLS.get(), (4 * network.config.num_hidden_layers() as usize, 0), "{name}");
    }
}

/// Random texts for a network, and their labels.
struct Examples {
    ids: Vec<Vec<u32>>,
    decoder: bool,
    pad_id: i64,
}

impl Examples {
    fn new(network: &Network, lengths: &[usize], seed: u64) -> Examples {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let vocabulary = network.config.vocab_size() as u32;
        let mut text = |length: &usize| (0..*length).map(|_| random.random_range(8..vocabulary)).collect();
        Examples {
            ids: lengths.iter().map(&mut text).collect(),
            decoder: network.decoder().is_some(),
            pad_id: network.config.pad_token_id(),
        }
    }

    fn sequences(&self) -> Vec<Sequence> {
        let sequence = |ids: &Vec<u32>| {
            let loss_mask = (0..ids.len()).map(|place| place > 0 && place % 4 != 3).collect();
            Sequence { ids: ids.clone(), loss_mask, starts: vec![0] }
        };
        self.ids.iter().map(sequence).collect()
    }

    fn encoded(&self) -> Vec<Encoded> {
        let encoded = |(number, ids): (usize, &Vec<u32>)| Encoded {
            ids: ids.clone(),
            type_ids: (0..ids.len()).map(|place| u8::from(2 * place > ids.len())).collect(),
            label: Label::Class(number as u32 % 3),
        };
        self.ids.iter().enumerate().map(encoded).collect()
    }

    fn of_rows(&self, rows: &[usize]) -> Batch {
        match self.decoder {
            true => collate_sequences(&self.sequences(), rows, self.pad_id),
            false => collate(&self.encoded(), rows, self.pad_id),
        }
    }

    fn batch(&self) -> Batch {
        self.of_rows(&(0..self.ids.len()).collect::<Vec<_>>())
    }

    fn apart(&self) -> Vec<Batch> {
        (0..self.ids.len()).map(|row| self.of_rows(&[row])).collect()
    }
}

/// The batch with padding up to rows of this length.
fn widened(network: &Network, batch: Batch, length: usize) -> Batch {
    let before = batch.length;
    let wider = |values: &[i64], fill: i64| {
        let rows = values.chunks(before);
        rows.flat_map(|row| row.iter().copied().chain(repeat_n(fill, length - before))).collect::<Vec<i64>>()
    };
    let labels = match batch.labels {
        BatchLabels::Tokens { positions, labels } => {
            let moved = |place: i64| place / before as i64 * length as i64 + place % before as i64;
            BatchLabels::Tokens { positions: positions.into_iter().map(moved).collect(), labels }
        }
        labels => labels,
    };
    Batch {
        length,
        input_ids: wider(&batch.input_ids, network.config.pad_token_id()),
        sequence_ids: wider(&batch.sequence_ids, 0),
        token_type_ids: wider(&batch.token_type_ids, 0),
        position_ids: batch.position_ids.as_deref().map(|positions| wider(positions, 0)),
        labels,
        ..batch
    }
}

/// A loss summed over the batch, and its gradients by parameter.
struct Found {
    loss: f64,
    gradients: Vec<(String, Tensor)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Layout {
    /// As batches come to a network.
    Unpadded,
    Padded,
}

const OPTIONS: BackwardOptions = BackwardOptions { training: false, checkpointing: false, seed: 9 };

fn differentiate(network: &Network, batch: &Batch, layout: Layout, options: BackwardOptions) -> Found {
    let names: Vec<&str> = names(network).collect();
    let targets = GradTargets::new(&network.parameters, names.iter().copied());
    let mut loaded = DeviceBatch::new(batch, place::device());
    if layout == Layout::Padded {
        loaded.inputs.unpadded = None;
    }
    let objective = network.objective(&loaded.targets, 1.0);
    let mut found = Vec::new();
    let loss = gradients(&*network.segments(&loaded.inputs), &targets, options, &objective, &mut |gradients| {
        for gradient in gradients {
            match gradient {
                Gradient::Linear { slots, x, dy } => {
                    found.extend(slots.weight.map(|slot| (names[slot].to_owned(), dy.tr().matmul(&x))));
                    let bias = || dy.sum_dim_intlist(Some(&[0i64][..]), false, dy.kind());
                    found.extend(slots.bias.map(|slot| (names[slot].to_owned(), bias())));
                }
                Gradient::Leaf { slot, gradient } => found.push((names[slot].to_owned(), gradient)),
            }
        }
    });
    assert_eq!(found.len(), names.len());
    Found { loss: loss.double_value(&[]), gradients: found }
}

/// Compares a batch with its examples alone, and with the padded layout.
fn check(network: &Network, name: &str, batch: &Batch, apart: &[Batch]) {
    // A GPU computes padding, so that there is one layout.
    assert_eq!(DeviceBatch::new(batch, place::device()).inputs.unpadded.is_some(), !place::device().is_cuda());
    let examples = apart.iter().map(|example| differentiate(network, example, Layout::Unpadded, OPTIONS));
    let sum = |sum: Found, found: Found| Found {
        loss: sum.loss + found.loss,
        gradients: sum.gradients.into_iter().zip(found.gradients).map(|((name, a), (_, b))| (name, a + b)).collect(),
    };
    let padded = differentiate(network, batch, Layout::Padded, OPTIONS);
    // The frequencies of one model depend on the length of the batch.
    let alone = if name == "tiny-llama-dynamic" { None } else { examples.reduce(sum) };
    let expected = alone.unwrap_or_else(|| differentiate(network, batch, Layout::Padded, OPTIONS));
    compare(name, &padded, &expected);
    for checkpointing in [false, true] {
        let options = BackwardOptions { checkpointing, ..OPTIONS };
        compare(name, &differentiate(network, batch, Layout::Unpadded, options), &expected);
    }
    // Outputs of tokens are in their places.
    let mut loaded = DeviceBatch::new(batch, place::device());
    let outputs = network.output(&loaded.inputs);
    loaded.inputs.unpadded = None;
    let mut expected = network.output(&loaded.inputs);
    if let (Some(_), Some(ids)) = (network.decoder(), &loaded.inputs.sequence_ids) {
        expected *= ids.not_equal(0).unsqueeze(-1);
    }
    assert!(off(&outputs, &expected) < TOLERANCE, "{name}: outputs off by {:e}", off(&outputs, &expected));
}

fn compare(model: &str, found: &Found, expected: &Found) {
    let Found { loss, gradients } = found;
    assert!((loss - expected.loss).abs() <= TOLERANCE * expected.loss, "{model}: {loss}, expected {}", expected.loss);
    let norm = |tensor: &Tensor| tensor.norm().double_value(&[]);
    let largest = expected.gradients.iter().map(|(_, gradient)| norm(gradient)).fold(0.0, f64::max);
    // The true gradient of a key's bias is zero.
    let compared = gradients.iter().zip(&expected.gradients).filter(|((name, _), _)| !name.ends_with("key.bias"));
    for ((name, gradient), (_, expected)) in compared {
        // Both are zero where no token has a label.
        let (off, scale) = (norm(&(gradient - expected)), norm(expected).max(1e-4 * largest));
        assert!(off <= TOLERANCE * scale, "{model}: the gradient of {name} is off by {off:e}, its norm is {scale:e}");
    }
}

fn off(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    ((found - expected).norm() / expected.norm()).double_value(&[])
}

fn names(network: &Network) -> impl Iterator<Item = &str> {
    network.parameters.specs().iter().map(|spec| spec.name.as_str())
}

fn network(name: &str) -> Network {
    let folder = place::fixture("models").join(name);
    let outputs = if ENCODERS.contains(&name) { 3 } else { 0 };
    // In double precision, so that what is compared is the computation and not its rounding.
    let options = LoadOptions {
        head: Head::as_stored(outputs),
        dtype: Kind::Double,
        device: place::device(),
        offload: None,
        seed: 0,
    };
    Network::open(&folder, &options, &|_| {}).unwrap().0
}
