//! Curves that must be flagged, and healthy ones that must not.

use super::*;

#[test]
fn a_table_of_curves() {
    let spiking = |step: f64, noise: &mut Noise| {
        decay(step) * noise.around(1.0, 0.1) + if (460.0..472.0).contains(&step) { 4.0 } else { 0.0 }
    };
    let table: Vec<(&str, Curves, &[&str])> = vec![
        ("a healthy noisy decay", Curves::default(), &[]),
        ("the same, ended", with(|c| (c.steps, c.planned) = (1000, 1000)), &[]),
        (
            "a loss of heavy tails",
            with(|c| c.loss = |s, n| decay(s) - 0.75 + n.around(0.05, 0.9).powi(3) * 2000.0),
            &[],
        ),
        ("a single bad batch", with(|c| c.loss = |s, n| if s == 480.0 { 4.0 } else { n.around(decay(s), 0.1) }), &[]),
        ("a spike that recovers, soon after it", with(|c| c.loss = spiking), &["loss spike at 4"]),
        (
            "the same, long after it",
            with(|c| {
                c.steps = 700;
                c.loss = spiking;
            }),
            &[],
        ),
        (
            "a spike that does not recover",
            with(|c| c.loss = |s, n| n.around(decay(s), 0.1) + if s >= 420.0 { 2.5 } else { 0.0 }),
            &["diverging since 4"],
        ),
        (
            "a loss that grows without bound",
            with(|c| c.loss = |s, n| n.around(decay(s), 0.1) + ((s - 300.0).max(0.0) / 30.0).exp_m1()),
            &["diverging since 3"],
        ),
        (
            "a loss that becomes infinite",
            with(|c| c.loss = |s, n| if s < 500.0 { n.around(decay(s), 0.1) } else { f64::INFINITY }),
            &["loss is inf at 500"],
        ),
        (
            "gaps where the loss was not finite",
            with(|c| c.loss = |s, n| if s % 50.0 == 9.0 { f64::NAN } else { n.around(decay(s), 0.1) }),
            &[],
        ),
        ("a small loss that doubles", with(|c| c.loss = |s, n| n.around(decay(s) - 0.79 + s / 1e4, 0.3)), &[]),
        (
            "a plateau with most steps to come",
            with(|c| {
                c.planned = 2000;
                c.loss = |s, n| n.around(decay(s.min(150.0)), 0.05);
            }),
            &["plateau since 1"],
        ),
        (
            "a classifier that learns nothing",
            with(|c| {
                (c.steps, c.planned) = (250, 2000);
                c.loss = |_, n| n.around(0.693, 0.05);
            }),
            &["plateau since 3"],
        ),
        (
            "a plateau at the end of a cosine",
            with(|c| {
                c.steps = 990;
                c.schedule = cosine;
                c.loss = |s, n| n.around(decay(s.min(600.0)), 0.05);
            }),
            &[],
        ),
        (
            "a loss that falls slowly",
            with(|c| {
                c.schedule = constant;
                c.loss = |s, n| n.around(2.0 - s / 1000.0, 0.1);
            }),
            &[],
        ),
        (
            "a loss that has fallen to nothing",
            with(|c| {
                c.schedule = constant;
                c.loss = |s, n| n.around(0.01 + 2.0 * (-s / 40.0).exp(), 0.2);
            }),
            &[],
        ),
        (
            "a plateau whose score still improves",
            with(|c| {
                c.schedule = constant;
                c.loss = |s, n| n.around(decay(s.min(100.0)), 0.05);
                c.eval = Some(|s, _| (1.0, s / 1000.0));
            }),
            &[],
        ),
        (
            "a classifier that overfits",
            with(|c| c.eval = Some(|s, n| (0.5 + (s - 200.0).abs() / 400.0, n.around(0.8, 0.001) - s / 1e4))),
            &["overfitting since 200"],
        ),
        ("a constant gap to the held-out loss", with(|c| c.eval = Some(|s, _| (decay(s) + 0.4, s / 1000.0))), &[]),
        (
            "a held-out loss that rises while the accuracy improves",
            with(|c| c.eval = Some(|s, _| (0.5 + (s - 200.0).abs() / 400.0, s / 1000.0))),
            &[],
        ),
        ("noisy evaluations", with(|c| c.eval = Some(|_, n| (n.around(0.5, 0.08), 0.8))), &[]),
        ("one step in ten clipped", with(|c| c.grad_norm = |s, _| if s % 10.0 == 0.0 { 3.0 } else { 0.5 }), &[]),
        (
            "nine steps in ten clipped",
            with(|c| c.grad_norm = |s, _| if s % 10.0 == 0.0 { 0.5 } else { 3.0 }),
            &["clipping 90 % of steps"],
        ),
        (
            "gradient mass from 60 to 20 %",
            with(|c| c.mass = |s, n| n.around(60.0 - 40.0 * (s / 300.0).min(1.0), 0.1)),
            &["gradient mass 5"],
        ),
        ("gradient mass that is noisy", with(|c| c.mass = |_, n| n.around(55.0, 0.35)), &[]),
        ("gradient mass that falls a little", with(|c| c.mass = |s, n| n.around(60.0 - s / 50.0, 0.1)), &[]),
        (
            "half of the tokens per second",
            with(|c| c.tokens = |s, n| n.around(if s < 300.0 { 4000.0 } else { 2000.0 }, 0.3)),
            &["throughput -5"],
        ),
        (
            "tokens per second that vary with the batches",
            with(|c| c.tokens = |s, n| n.around(if s % 3.0 == 0.0 { 900.0 } else { 4500.0 }, 0.3)),
            &[],
        ),
        ("a GPU at 95 %", with(|c| c.utilization = Some(|_, n| n.around(95.0, 0.05))), &[]),
        ("a GPU at 20 %", with(|c| c.utilization = Some(|_, n| n.around(20.0, 0.3))), &["GPU 2"]),
        (
            "a GPU that is idle between steps of 10 s",
            with(|c| {
                (c.steps, c.pace) = (200, 10.0);
                c.utilization = Some(|_, n| n.around(80.0, 0.2));
            }),
            &[],
        ),
        ("a disk that is full in 10 minutes", with(|c| c.disk = |s| 60.0 - s * 0.055), &["disk full in "]),
        ("a disk that is steady", with(|c| c.disk = |s| 3.0 + (s / 7.0).sin() * 0.1), &[]),
        ("a disk with checkpoints that are replaced", with(|c| c.disk = |s| 3.0 - (s / 100.0 % 2.0).floor()), &[]),
        ("a disk that outlasts the run", with(|c| c.disk = |s| 100.0 - s * 0.02), &[]),
        (
            "five steps",
            with(|c| {
                (c.steps, c.planned) = (5, 5);
                c.loss = |s, _| 7.0 * s;
            }),
            &[],
        ),
        ("one step", with(|c| (c.steps, c.planned) = (1, 1)), &[]),
    ];
    assert!(table.len() >= 20);
    let mut wrong = Vec::new();
    for (name, curves, expected) in table {
        let found = curves.badges();
        let as_expected =
            found.len() == expected.len() && found.iter().zip(expected).all(|(found, start)| found.starts_with(start));
        if !as_expected {
            wrong.push(format!("{name}: expected {expected:?}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
