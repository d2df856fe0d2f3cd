//! The formulas of the PAC-Bayes bounds beside those that Python finds by other ways (tests/interop/pac_bayes.py), and a bound beside
//! a risk that is known.

use finesift::analysis::Report;
use finesift::analysis::bound::{
    Errors, Evidence, GibbsErrors, Group, SelectionDependence, VarianceGrid, catoni, gaussian_kl, kl_bernoulli,
    langford_seeger, ln_binomial, mcallester, mean_bound, report,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    gaussians: Vec<Gaussians>,
    binomials: Vec<Binomial>,
    bounds: Vec<Bounds>,
}

#[derive(Deserialize)]
struct Gaussians {
    dimensions: f64,
    distance: f64,
    posterior: f64,
    prior: f64,
    kl: f64,
}

#[derive(Deserialize)]
struct Binomial {
    n: u64,
    k: u64,
    ln: f64,
}

#[derive(Deserialize)]
struct Bounds {
    risk: f64,
    complexity: f64,
    examples: u64,
    delta: f64,
    mcallester: f64,
    langford_seeger: f64,
    catoni: f64,
}

#[test]
fn formulas_agree_with_python() {
    let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/differential/pac_bayes.json")).unwrap();
    let Fixture { gaussians, binomials, bounds } = fixture;
    assert!(gaussians.len() > 10 && binomials.len() > 5 && bounds.len() > 40);
    let close = |ours: f64, theirs: f64| (ours - theirs).abs() <= 1e-10 * theirs.abs().max(1.0);
    for Gaussians { dimensions, distance, posterior, prior, kl } in gaussians {
        let ours = gaussian_kl(dimensions, distance, posterior, prior);
        assert!(close(ours, kl), "{dimensions} {posterior} {prior}: {ours} {kl}");
    }
    for Binomial { n, k, ln } in binomials {
        assert!(close(ln_binomial(n, k), ln), "{n} {k}: {} {ln}", ln_binomial(n, k));
    }
    for Bounds { risk, complexity, examples, delta, mcallester: a, langford_seeger: b, catoni: c } in bounds {
        let ours = [
            mcallester(risk, complexity, examples, delta),
            langford_seeger(risk, complexity, examples, delta),
            catoni(risk, complexity, examples, delta).bound,
        ];
        assert!([a, b, c].into_iter().zip(ours).all(|(theirs, ours)| close(ours, theirs)), "{ours:?} {a} {b} {c}");
    }
}

/// Standard normal numbers.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Linear classifiers in the plane, on labels of which some are flipped: the risk of each follows from its angle.
#[test]
fn bounds_hold_for_a_gibbs_classifier_of_known_risk_and_are_not_far_from_it() {
    const FLIPPED: f64 = 0.1;
    const DELTA: f64 = 0.05;
    const EXAMPLES: u64 = 400;
    const DRAWS: u64 = 300;
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let (mut informative, mut violations) = (0, 0);
    for _ in 0..100 {
        let sample: Vec<([f64; 2], bool)> = (0..EXAMPLES)
            .map(|_| {
                let x = [normal(&mut random), normal(&mut random)];
                // The first axis decides.
                (x, (x[0] > 0.0) != random.random_bool(FLIPPED))
            })
            .collect();
        let sign = |label: bool| if label { 1.0 } else { -1.0 };
        let mean = |axis: usize| sample.iter().map(|(x, y)| x[axis] * sign(*y)).sum::<f64>() / EXAMPLES as f64;
        let w = [mean(0), mean(1)];
        let deviation: f64 = 0.2;
        let prior = VarianceGrid::FIXED.choose(2.0, w[0] * w[0] + w[1] * w[1], deviation * deviation);
        let (mut training, mut risk) = (0.0, 0.0);
        for _ in 0..DRAWS {
            let drawn = w.map(|w| w + deviation * normal(&mut random));
            let (x, y) = sample[random.random_range(0..sample.len())];
            training += f64::from(u8::from((drawn[0] * x[0] + drawn[1] * x[1] > 0.0) != y)) / DRAWS as f64;
        }
        for _ in 0..3000 {
            let drawn = w.map(|w| w + deviation * normal(&mut random));
            let angle = drawn[1].atan2(drawn[0]).abs() / std::f64::consts::PI;
            risk += (FLIPPED + (1.0 - 2.0 * FLIPPED) * angle) / 3000.0;
        }
        let upper = mean_bound(training, DRAWS, 0.2 * DELTA);
        let complexity = prior.kl + prior.union;
        let bounds = [
            langford_seeger(upper, complexity, EXAMPLES, 0.8 * DELTA),
            catoni(upper, complexity, EXAMPLES, 0.8 * DELTA).bound,
            mcallester(upper, complexity, EXAMPLES, 0.8 * DELTA),
        ];
        violations += bounds.iter().filter(|&&bound| bound < risk).count();
        informative += usize::from(bounds[0] < 0.5);
        assert!(kl_bernoulli(training, upper) > 0.0);
    }
    assert_eq!((violations, informative), (0, 100));
}

/// As of a run with so many selected components and examples.
fn evidence(selected: u64, examples: u64, selection: SelectionDependence) -> Evidence {
    let group = |name: &str, components: u64, change: f64, random: f64| {
        let squared = |rms: f64| components as f64 * rms * rms;
        Group { name: name.into(), components, from_initial: squared(change), from_random: squared(random) }
    };
    let gibbs = |noise: f64, draws| GibbsErrors {
        noise,
        train: (0.1 + 0.05 * noise).min(0.5),
        draws,
        held_out: (0.12 + 0.05 * noise).min(0.5),
    };
    Evidence {
        subject: "minilm on sentences, run demo at step 100".into(),
        delta: 0.05,
        examples,
        selection,
        held_out_examples: 300,
        trained: Errors { train: 0.1, held_out: 0.12 },
        most_frequent: Errors { train: 0.5, held_out: 0.49 },
        groups: vec![group("selected components", selected, 0.02, 0.07), group("dense parameters", 770, 0.03, 0.03)],
        parameters: group("all parameters of the model", 22_713_986, 0.0008, 0.06),
        levels: [0.25, 0.5, 1.0, 2.0, 4.0, 8.0].map(|noise| gibbs(noise, 80)).into(),
        initial: gibbs(1.0, 1024),
        random: gibbs(4.0, 1024),
        rounded: false,
    }
}

fn as_text(report: &Report) -> String {
    let mut text = format!("{}: {}\n\n{}\n", report.kind, report.subject, report.findings.join("\n\n"));
    for table in &report.tables {
        text += &format!("\n{}\n{}\n", table.title, table.columns.join(" | "));
        text += &table.rows.iter().map(|row| row.join(" | ") + "\n").collect::<String>();
        assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{}", table.name);
    }
    text + "\n" + &report.notes.join("\n\n") + "\n"
}

#[test]
fn a_report_says_which_bounds_say_nothing() {
    let by_gradients = SelectionDependence::Gradients { examples: 32, ln_selections: 165_000.0 };
    let vacuous = report(&evidence(128_416, 2700, by_gradients));
    insta::assert_snapshot!("bound_vacuous", as_text(&vacuous));
    let informative = report(&evidence(720, 60_000, SelectionDependence::Independent));
    insta::assert_snapshot!("bound_informative", as_text(&informative));
    assert!(vacuous.findings[0].contains("vacuous") && informative.findings[0].contains("less than the error"));
}
