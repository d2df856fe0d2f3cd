//! Time of the sampled gradient of a weight beside the dense one.
//!
//! Both run in turn on the same operands, so that the ratio holds even while the machine's load changes. The last column is
//! for three layers with one input, as query, key and value are, each beside a dense product of its own.

use std::time::Instant;

use finesift::kernels::InstructionSet;
use finesift::sift::sampled::{GradientSampler, SampledLayer, SamplingPlan, dense_gradient};
use finesift::sift::{budget, select};
use tch::{Device, Kind, Tensor};

/// Rows and columns of the weights.
const SHAPES: [(i64, i64); 3] = [(1024, 1024), (1024, 4096), (576, 1536)];
const TOKENS: [i64; 2] = [1024, 4096];
const RATES: [f64; 4] = [0.001, 0.008, 0.05, 0.25];
const TURNS: usize = 15;

fn main() {
    println!("{} threads, {}", tch::get_num_threads(), InstructionSet::best().name());
    println!("| weight | tokens | rate | dense, ms | sampled, ms | ratio | one input for three |");
    println!("|---|---|---|---|---|---|---|");
    tch::manual_seed(1);
    for (out, width) in SHAPES {
        for tokens in TOKENS {
            let random = |width: i64| Tensor::randn([tokens, width], (Kind::Float, Device::Cpu));
            let (x, dy) = (random(width), [random(out), random(out), random(out)]);
            for rate in RATES {
                let k = budget(out * width, rate);
                let plan = [1, 2, 3].map(|seed| SamplingPlan::new(&select::random(out * width, k, seed), out, width));
                let layers = [0, 1, 2].map(|layer| SampledLayer { dy: &dy[layer], plan: &plan[layer] });
                let mut sampler = GradientSampler::default();
                let (mut dense, mut one, mut three) = (Vec::new(), Vec::new(), Vec::new());
                for _ in 0..TURNS {
                    dense.push(milliseconds(|| drop(dense_gradient(&x, &dy[0]))));
                    one.push(milliseconds(|| drop(sampler.sample(&x, &layers[..1]))));
                    three.push(milliseconds(|| drop(sampler.sample(&x, &layers))) / 3.0);
                }
                let [dense, one, three] = [dense, one, three].map(least);
                println!(
                    "| {out}x{width} | {tokens} | {} % | {dense:.2} | {one:.2} | {:.3} | {:.3} |",
                    100.0 * rate,
                    one / dense,
                    three / dense
                );
            }
        }
    }
}

fn milliseconds(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    1e3 * start.elapsed().as_secs_f64()
}

/// The least time, which other load on the machine distorts least.
fn least(times: Vec<f64>) -> f64 {
    times.into_iter().fold(f64::INFINITY, f64::min)
}
