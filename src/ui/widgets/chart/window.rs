//! Zooming and panning: which part of an x axis is shown.

/// Ends of a part of an x axis.
type Range = (f64, f64);

/// The window after zooming by a factor around a position, or else around its middle. `None` shows the whole axis. A window
/// that would be narrower than two steps stays as it is.
pub fn zoomed(window: Option<Range>, (first, last): Range, around: Option<f64>, by: f64) -> Option<Range> {
    let (from, to) = window.unwrap_or((first, last));
    let middle = around.unwrap_or((from + to) / 2.0);
    let width = (to - from) * by;
    if width < 2.0 {
        return window;
    }
    let from = (middle - (middle - from) * by).clamp(first, (last - width).max(first));
    (width < last - first).then_some((from, from + width))
}

/// The window after panning by a share of its width, within the axis.
pub fn panned((from, to): Range, (first, last): Range, share: f64) -> Range {
    let by = (share * (to - from)).clamp((first - from).min(0.0), (last - to).max(0.0));
    (from + by, to + by)
}

/// The window moved so far that a position lies in it.
pub fn following((from, to): Range, x: f64) -> Range {
    let by = (x - to).max(0.0) + (x - from).min(0.0);
    (from + by, to + by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_stays_within_the_axis() {
        let axis = (0.0, 100.0);
        assert_eq!(zoomed(None, axis, Some(90.0), 0.5), Some((45.0, 95.0)));
        assert_eq!(zoomed(Some((45.0, 95.0)), axis, None, 2.0), None);
        assert_eq!(zoomed(Some((10.0, 13.0)), axis, None, 0.5), Some((10.0, 13.0)));
        assert_eq!(panned((45.0, 95.0), axis, 0.25), (50.0, 100.0));
        assert_eq!(panned((10.0, 60.0), axis, -0.25), (0.0, 50.0));
        assert_eq!((following((10.0, 20.0), 25.0), following((10.0, 20.0), 5.0)), ((15.0, 25.0), (5.0, 15.0)));
    }
}
