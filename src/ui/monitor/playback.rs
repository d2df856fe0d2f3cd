//! Playing the slider of the Layers tab: which x it has reached at a time.

use std::time::Duration;

/// Time in which the whole axis is played.
const WHOLE: Duration = Duration::from_secs(10);

/// A playback from one x to another.
pub struct Playback {
    from: f64,
    to: f64,
    length: Duration,
    /// When the first frame was played.
    begun: Option<Duration>,
}

impl Playback {
    /// A playback from `from` to the end of an axis. `None` on an axis without length.
    pub(super) fn new(from: f64, (first, last): (f64, f64)) -> Option<Playback> {
        let share = (last - from) / (last - first);
        (share > 0.0 && share <= 1.0).then(|| Playback { from, to: last, length: WHOLE.mul_f64(share), begun: None })
    }

    /// The x at a time; `None` past the end.
    pub(super) fn x(&mut self, now: Duration) -> Option<f64> {
        let played = now.saturating_sub(*self.begun.get_or_insert(now));
        let share = played.as_secs_f64() / self.length.as_secs_f64();
        (share < 1.0).then_some(self.from + share * (self.to - self.from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_an_axis_takes_its_share_of_the_time() {
        let mut playback = Playback::new(50.0, (0.0, 100.0)).unwrap();
        let at = |second: u64| Duration::from_secs(second);
        assert_eq!([60, 61, 64].map(|second| playback.x(at(second))), [Some(50.0), Some(60.0), Some(90.0)]);
        assert_eq!(playback.x(at(65)), None);
        assert!(Playback::new(100.0, (0.0, 100.0)).is_none() && Playback::new(0.0, (0.0, 0.0)).is_none());
    }
}
