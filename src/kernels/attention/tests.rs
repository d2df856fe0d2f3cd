//! Attention and its gradients against sums in double precision.

use proptest::prelude::*;

use super::super::InstructionSet;
use super::super::dropout::DRAWN;
use super::super::tests::random;
use super::*;

#[derive(Debug, Default)]
struct Results {
    out: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
}

struct Inputs {
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    gradient: Vec<f32>,
}

impl Inputs {
    fn new(attention: &Attention, seed: u64) -> Inputs {
        let tokens = attention.examples.last().map_or(0, |last| last.end);
        let (queries, keys) =
            (tokens * attention.heads * attention.head_dim, tokens * attention.kv_heads * attention.head_dim);
        // Of larger ones the gradients of scores are small differences of large numbers.
        let small = |count: usize, seed: u64| random(count, seed).into_iter().map(|value| value / 4.0).collect();
        Inputs {
            query: small(queries, seed),
            key: small(keys, seed ^ 1),
            value: small(keys, seed ^ 2),
            gradient: small(queries, seed ^ 3),
        }
    }

    fn results(&self, attention: &Attention, instructions: InstructionSet) -> Results {
        let operands = Operands { query: &self.query[..], key: &self.key[..], value: &self.value[..] };
        // What was there does not matter.
        let like = |numbers: &[f32]| vec![f32::NAN; numbers.len()];
        let mut results = Results {
            out: like(&self.query),
            query: like(&self.query),
            key: like(&self.key),
            value: like(&self.value),
        };
        let mut logsumexp = like(&self.query[..self.query.len() / attention.head_dim]);
        attention.forward(instructions, &operands, &mut results.out, &mut logsumexp);
        let mut found =
            Operands { query: &mut results.query[..], key: &mut results.key[..], value: &mut results.value[..] };
        attention.backward(instructions, &operands, &logsumexp, &self.gradient, &mut found);
        results
    }

    /// One weight at a time.
    fn expected(&self, attention: &Attention) -> [Vec<f64>; 4] {
        let Attention { heads, kv_heads, head_dim: dim, .. } = *attention;
        let wide = |numbers: &[f32]| numbers.iter().copied().map(f64::from).collect::<Vec<f64>>();
        let [query, key, value, gradient] =
            [&self.query, &self.key, &self.value, &self.gradient].map(|numbers| wide(numbers));
        let (mut out, mut of_query) = (vec![0.0; query.len()], vec![0.0; query.len()]);
        let (mut of_key, mut of_value) = (vec![0.0; key.len()], vec![0.0; key.len()]);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let add = |to: &mut [f64], factor: f64, numbers: &[f64]| {
            to.iter_mut().zip(numbers).for_each(|(to, number)| *to += factor * number);
        };
        let scale = 1.0 / (dim as f64).sqrt();
        for example in &attention.examples {
            for (head, i) in (0..heads).flat_map(|head| example.clone().map(move |i| (head, i))) {
                let of_token = (i * heads + head) * dim;
                let of_token = of_token..of_token + dim;
                let place = |j: usize| {
                    let start = (j * kv_heads + head / (heads / kv_heads)) * dim;
                    start..start + dim
                };
                let keys: Vec<usize> = example
                    .clone()
                    .filter(|&j| match attention.mask {
                        Mask::Full => true,
                        Mask::Causal => j <= i,
                        Mask::Window(tokens) => j <= i && i < j + tokens,
                    })
                    .collect();
                let scores: Vec<f64> =
                    keys.iter().map(|&j| scale * dot(&query[of_token.clone()], &key[place(j)])).collect();
                let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = scores.iter().map(|score| (score - most).exp()).sum();
                let weights: Vec<f64> = scores.iter().map(|score| (score - most).exp() / total).collect();
                let factors: Vec<f64> = keys
                    .iter()
                    .map(|&j| match &attention.dropout {
                        None => 1.0,
                        Some(dropout) => {
                            let key = j - example.start;
                            let part = [(key / DRAWN) as u32, i as u32, head as u32];
                            f64::from(dropout.factors(part, dropout.scale())[key % DRAWN])
                        }
                    })
                    .collect();
                let of_weights: Vec<f64> = keys
                    .iter()
                    .zip(&factors)
                    .map(|(&j, factor)| factor * dot(&gradient[of_token.clone()], &value[place(j)]))
                    .collect();
                let common = dot(&weights, &of_weights);
                for (number, &j) in keys.iter().enumerate() {
                    let weight = weights[number];
                    add(&mut out[of_token.clone()], weight * factors[number], &value[place(j)]);
                    add(&mut of_value[place(j)], weight * factors[number], &gradient[of_token.clone()]);
                    let of_score = scale * weight * (of_weights[number] - common);
                    add(&mut of_query[of_token.clone()], of_score, &key[place(j)]);
                    add(&mut of_key[place(j)], of_score, &query[of_token.clone()]);
                }
            }
        }
        [out, of_query, of_key, of_value]
    }
}

fn attention(group: usize, kv_heads: usize, head_dim: usize, lengths: &[usize], mask: Mask) -> Attention {
    let mut end = 0;
    let example = |length: &usize| {
        end += length;
        end - length..end
    };
    let examples = lengths.iter().map(example).collect();
    Attention { heads: group * kv_heads, kv_heads, head_dim, examples, mask, dropout: None, first_token: 0 }
}

fn check(attention: &Attention, seed: u64) -> Result<(), TestCaseError> {
    let inputs = Inputs::new(attention, seed);
    let expected = inputs.expected(attention);
    for instructions in InstructionSet::available() {
        let Results { out, query, key, value } = inputs.results(attention, instructions);
        for (number, (got, expected)) in [out, query, key, value].iter().zip(&expected).enumerate() {
            let size = expected.iter().fold(1.0, |size: f64, number| size.max(number.abs()));
            for (place, (&got, expected)) in got.iter().zip(expected).enumerate() {
                let close = (f64::from(got) - expected).abs() <= 5e-6 * size;
                prop_assert!(close, "{} {number} at {place}: {got}, {expected}", instructions.name());
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn outputs_and_gradients_are_those_in_double_precision(
        (group, kv_heads, head_dim) in (1_usize..4, 1_usize..4, 1_usize..40),
        lengths in prop::collection::vec(1_usize..90, 1..4),
        mask in prop_oneof![Just(Mask::Full), Just(Mask::Causal), (1_usize..100).prop_map(Mask::Window)],
        probability in prop_oneof![Just(None), Just(Some(0.1)), Just(Some(0.6))],
        seed: u64,
    ) {
        let dropout = probability.map(|probability| Dropout::new(probability, seed));
        check(&Attention { dropout, ..attention(group, kv_heads, head_dim, &lengths, mask) }, seed)?;
    }
}

#[test]
fn long_examples_and_the_dimensions_of_real_heads_are_computed_in_blocks() {
    for (group, dim, length, mask) in [
        (1, 32, 128, Mask::Full),
        (3, 64, 256, Mask::Causal),
        (8, 80, 130, Mask::Causal),
        (60, 16, 40, Mask::Causal),
        (2, 128, 333, Mask::Window(70)),
        (1, 8, 900, Mask::Causal),
    ] {
        check(&attention(group, 1, dim, &[length, 5], mask), 3).unwrap();
    }
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads_nor_on_the_width_of_vectors() {
    let dropout = Some(Dropout::new(0.2, 5));
    let attention = Attention { dropout, ..attention(2, 3, 24, &[70, 1, 33, 150], Mask::Causal) };
    let inputs = Inputs::new(&attention, 8);
    let bits = |results: &Results| {
        let all = [&results.out, &results.query, &results.key, &results.value];
        all.map(|numbers| numbers.iter().map(|number| number.to_bits()).collect::<Vec<u32>>())
    };
    let best = inputs.results(&attention, InstructionSet::best());
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for instructions in InstructionSet::available() {
        let got = inputs.results(&attention, instructions);
        let repeated = alone.install(|| inputs.results(&attention, instructions));
        assert_eq!(bits(&repeated), bits(&got), "{instructions:?}");
        if instructions != InstructionSet::Portable {
            assert_eq!(bits(&got), bits(&best), "{instructions:?}");
        }
    }
}

#[test]
fn an_example_is_not_seen_by_others_and_numbers_that_are_not_finite_stay_visible() {
    let attention = attention(2, 1, 16, &[20, 70], Mask::Full);
    let mut inputs = Inputs::new(&attention, 4);
    let before = inputs.results(&attention, InstructionSet::best());
    inputs.query[25 * 2 * 16 + 3] = f32::NAN;
    let after = inputs.results(&attention, InstructionSet::best());
    let of_first = 20 * 2 * 16;
    assert_eq!(before.out[..of_first], after.out[..of_first]);
    assert_eq!(before.key[..of_first / 2], after.key[..of_first / 2]);
    assert!(after.out[25 * 2 * 16..][..16].iter().all(|number| number.is_nan()));
    assert!(after.query[25 * 2 * 16..][..16].iter().all(|number| number.is_nan()));
    assert!(after.key[of_first / 2..].iter().all(|number| number.is_nan()));
}

#[test]
fn without_tokens_there_is_nothing_to_do() {
    let attention = Attention { examples: Vec::new(), ..attention(1, 1, 4, &[1], Mask::Full) };
    assert!(Inputs::new(&attention, 1).results(&attention, InstructionSet::best()).out.is_empty());
}
