//! The pace of a replay.

/// Speeds that keys change between.
const SPEEDS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// How fast a replay is, and whether it is paused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Recorded seconds in a second.
    pub speed: f64,
    pub paused: bool,
}

impl Pace {
    /// The next higher speed.
    pub fn faster(self) -> Pace {
        let next = SPEEDS.into_iter().find(|speed| *speed > self.speed);
        Pace { speed: next.unwrap_or(self.speed), ..self }
    }

    /// The next lower speed.
    pub fn slower(self) -> Pace {
        let next = SPEEDS.into_iter().rev().find(|speed| *speed < self.speed);
        Pace { speed: next.unwrap_or(self.speed), ..self }
    }

    /// Pauses, or continues.
    pub fn toggled(self) -> Pace {
        Pace { paused: !self.paused, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_move_between_their_ends() {
        let at = |speed| Pace { speed, paused: false };
        assert_eq!([at(3.0).faster(), at(3.0).slower(), at(10.0).faster()], [at(5.0), at(2.0), at(20.0)]);
        assert_eq!([at(1000.0).faster(), at(1.0).slower(), at(0.5).slower()], [at(1000.0), at(1.0), at(0.5)]);
        assert!(at(1.0).toggled().paused && !at(1.0).toggled().toggled().paused);
    }
}
