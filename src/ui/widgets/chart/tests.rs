//! Charts drawn into text: axes, gaps, crossing curves, zoom and sizes.

use super::*;

fn chart(series: &Series) -> Chart<'_> {
    let curve = Curve::line("", series, Style::new());
    Chart { ascii: true, ..Chart::over_steps(vec![curve], "waiting", Style::new()) }
}

fn series(values: &[f64]) -> Series {
    let mut series = Series::default();
    for (step, &value) in values.iter().enumerate() {
        series.push(At { step: step as f64, time: 0.0 }, value);
    }
    series
}

#[test]
fn a_single_point_has_whole_steps_around_it_and_none_below_zero() {
    for (at, axis) in [(0.0, "0 1"), (5.0, "4 5 6")] {
        let mut one = Series::default();
        one.push(At { step: at, time: 0.0 }, 2.0);
        let lines = drawn(&chart(&one), 60, 8);
        let shown: Vec<&str> = lines[7].split_whitespace().collect();
        assert_eq!(shown.join(" "), axis);
    }
}

fn drawn(chart: &Chart, width: u16, height: u16) -> Vec<String> {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    chart.draw(area, &mut buffer);
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(row).collect()
}

#[test]
fn a_rising_line_has_labels_at_round_numbers() {
    let series = series(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let expected = [
        "10",
        "                **",
        "             ***",
        " 5         **",
        "        ***",
        "    ****",
        " 0 *",
        "   0             8",
    ];
    assert_eq!(drawn(&chart(&series), 18, 8), expected);
}

#[test]
fn nan_is_a_gap() {
    let series = series(&[1.0, 1.0, 1.0, f64::NAN, f64::NAN, 1.0, 1.0]);
    let picture = drawn(&chart(&series), 13, 3);
    assert_eq!(picture[1], "*****     ***");
}

#[test]
fn a_logarithmic_scale_has_decades_and_no_zero() {
    let series = series(&[1e-4, 1e-3, 1e-2, 0.0, 1e-1, 1.0]);
    let chart = Chart { log: true, ..chart(&series) };
    let picture = drawn(&chart, 30, 10);
    assert!(picture.iter().any(|line| line.starts_with("   1e0 ")), "{picture:#?}");
    assert!(picture.iter().any(|line| line.starts_with("  1e-4 ")), "{picture:#?}");
}

#[test]
fn crossing_curves_keep_their_dots() {
    let (low, high) = (series(&[0.0, 0.0]), series(&[0.0, 1.0]));
    let line = |series| Curve::line("", series, Style::new());
    let both = Chart { curves: vec![line(&low), line(&high)], ascii: false, ..chart(&low) };
    let picture = drawn(&both, 10, 3);
    let dots = |c: char| u32::from(c).wrapping_sub(0x2800);
    // The flat curve fills the lowest row, the steep one only crosses it.
    assert!(picture[2].chars().all(|c| dots(c) & 0xc0 != 0), "{picture:#?}");
    assert!(picture[1].chars().any(|c| c != ' '), "{picture:#?}");
}

#[test]
fn a_column_maps_back_to_the_x_drawn_there() {
    let series = series(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let style = Style::new();
    let marks = vec![Mark { x: 5.0, symbol: "^", style }, Mark { x: 99.0, symbol: "!", style }];
    let chart = Chart { marks, ..chart(&series) };
    let picture = drawn(&chart, 40, 8);
    assert!(!picture.concat().contains('!'), "marks outside the axis are not drawn");
    let column = picture[6].chars().position(|c| c == '^').unwrap() as u16;
    let x = chart.x_at(Rect::new(0, 0, 40, 8), column).unwrap();
    assert!((x - 5.0).abs() < 0.2, "{x}");
    // The labels lie outside the plot.
    assert_eq!(chart.x_at(Rect::new(0, 0, 40, 8), 0), None);
}

#[test]
fn a_chart_without_points_shows_its_waiting_text() {
    let empty = Series::default();
    assert_eq!(drawn(&chart(&empty), 11, 3)[1], "  waiting");
    let nan = series(&[f64::NAN]);
    assert_eq!(drawn(&chart(&nan), 11, 3)[1], "  waiting");
}

#[test]
fn any_size_and_window_can_be_drawn() {
    let series = series(&[1.0, 5.0, f64::NAN, -3.0, 1e300, -1e300]);
    for width in 0..20 {
        for height in 0..8 {
            for window in [None, Some((2.0, 2.0)), Some((1.4, 1.6)), Some((90.0, 100.0))] {
                for (ascii, log) in [(true, true), (false, false)] {
                    let cursor = Some(2.0);
                    drawn(&Chart { window, log, ascii, cursor, ..chart(&series) }, width, height);
                }
            }
        }
    }
}
