//! The marked runs and their colours: a run keeps its colour until its mark is removed, whatever happens to the others.

use std::path::{Path, PathBuf};

use crate::ui::theme::RUN_COLOURS;

/// The marked runs, in the order in which they were marked. No run is in it twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Marks {
    runs: Vec<Mark>,
    /// The run that the others are compared with, if one was chosen.
    baseline: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq)]
struct Mark {
    run: PathBuf,
    /// Index of its colour; `None` while there are more marked runs than colours.
    colour: Option<usize>,
}

impl Marks {
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub fn contains(&self, run: &Path) -> bool {
        self.runs.iter().any(|mark| mark.run == run)
    }

    /// Marks a run. One that is marked already stays as it is.
    pub fn add(&mut self, run: &Path) {
        if !self.contains(run) {
            let colour = self.free_colour();
            self.runs.push(Mark { run: run.to_owned(), colour });
        }
    }

    /// Marks a run, or removes its mark.
    pub fn toggle(&mut self, run: &Path) {
        if self.contains(run) { self.retain(|marked| marked != run) } else { self.add(run) }
    }

    /// Follows a run to its new folder.
    pub fn rename(&mut self, from: &Path, to: &Path) {
        let runs = self.runs.iter_mut().map(|mark| &mut mark.run);
        runs.chain(&mut self.baseline).filter(|run| *run == from).for_each(|run| to.clone_into(run));
    }

    /// Removes the marks of all other runs.
    pub fn retain(&mut self, kept: impl Fn(&Path) -> bool) {
        self.runs.retain(|mark| kept(&mark.run));
        self.baseline.take_if(|baseline| !kept(baseline));
        // Colours that became free go to the runs that have waited longest for one.
        while let (Some(colour), Some(waiting)) =
            (self.free_colour(), self.runs.iter_mut().find(|mark| mark.colour.is_none()))
        {
            waiting.colour = Some(colour);
        }
    }

    pub fn clear(&mut self) {
        *self = Marks::default();
    }

    /// Makes a run the baseline, and marks it for that.
    pub fn set_baseline(&mut self, run: &Path) {
        self.add(run);
        self.baseline = Some(run.to_owned());
    }

    /// The run that the others are compared with: the chosen one, or the first that has a colour.
    pub fn baseline(&self) -> Option<&Path> {
        let chosen = self.baseline.as_deref().filter(|run| self.colour(run).is_some());
        chosen.or_else(|| self.compared().next().map(|(run, _)| run))
    }

    /// The runs that are compared, with the indices of their colours: as many as there are colours.
    pub fn compared(&self) -> impl Iterator<Item = (&Path, usize)> {
        self.runs.iter().filter_map(|mark| Some((mark.run.as_path(), mark.colour?)))
    }

    /// Index of a run's colour, if it is compared.
    pub fn colour(&self, run: &Path) -> Option<usize> {
        self.runs.iter().find(|mark| mark.run == run)?.colour
    }

    fn free_colour(&self) -> Option<usize> {
        (0..RUN_COLOURS).find(|colour| self.runs.iter().all(|mark| mark.colour != Some(*colour)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Runs are marked, unmarked, made the baseline, and dropped, in any order.
        #[test]
        fn colours_are_stable_and_no_run_is_compared_twice(actions in prop::collection::vec((0..20_u8, 0..5_u8), 0..200)) {
            let mut marks = Marks::default();
            for (number, action) in actions {
                let run = PathBuf::from(format!("runs/{number}"));
                let before: Vec<(PathBuf, usize)> =
                    marks.compared().map(|(run, colour)| (run.to_owned(), colour)).collect();
                match action {
                    0..3 => marks.toggle(&run),
                    3 => marks.set_baseline(&run),
                    _ => marks.retain(|marked| marked != run),
                }
                for (run, colour) in before {
                    prop_assert!(marks.colour(&run).is_none_or(|now| now == colour), "{:?} changed its colour", run);
                    prop_assert_eq!(marks.colour(&run).is_some(), marks.contains(&run));
                }
                let runs: BTreeSet<&Path> = marks.compared().map(|(run, _)| run).collect();
                let colours: BTreeSet<usize> = marks.compared().map(|(_, colour)| colour).collect();
                prop_assert_eq!(runs.len(), marks.len().min(RUN_COLOURS));
                prop_assert_eq!(colours.len(), runs.len());
                prop_assert_eq!(marks.baseline().is_some(), !marks.is_empty());
                prop_assert!(marks.baseline().is_none_or(|baseline| runs.contains(baseline)));
            }
        }
    }

    #[test]
    fn a_run_beyond_the_colours_waits_for_one() {
        let mut marks = Marks::default();
        let run = |number: usize| PathBuf::from(number.to_string());
        (0..10).for_each(|number| marks.add(&run(number)));
        assert_eq!((marks.len(), marks.compared().count(), marks.colour(&run(8))), (10, 8, None));
        marks.toggle(&run(3));
        assert_eq!((marks.colour(&run(8)), marks.colour(&run(9)), marks.colour(&run(4))), (Some(3), None, Some(4)));
        // Without a colour it is not drawn, so that it is no baseline either.
        marks.set_baseline(&run(9));
        assert_eq!(marks.baseline(), Some(run(0).as_path()));
        marks.toggle(&run(0));
        assert_eq!(marks.baseline(), Some(run(9).as_path()));
    }
}
