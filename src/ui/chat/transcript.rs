//! The conversation on the screen, and what part of it is seen.

use ratatui::text::Line;

use super::exchange::Exchange;

/// An entry of the transcript.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    Exchange(Exchange),
    /// What finesift says, in several lines.
    Note(String),
    Error(String),
}

/// The first row that is seen: of an entry, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Top {
    entry: usize,
    row: usize,
}

/// The entries, the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcript {
    entries: Vec<Entry>,
    /// Where it was scrolled to; `None` while it follows its end.
    top: Option<Top>,
}

impl Transcript {
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds an entry, and follows the end again. Returns its index.
    pub fn push(&mut self, entry: Entry) -> usize {
        self.entries.push(entry);
        self.follow();
        self.entries.len() - 1
    }

    pub fn clear(&mut self) {
        *self = Transcript::default();
    }

    pub fn follow(&mut self) {
        self.top = None;
    }

    /// The exchanges, the oldest first.
    pub fn exchanges(&self) -> impl DoubleEndedIterator<Item = (usize, &Exchange)> {
        self.entries.iter().enumerate().filter_map(|(index, entry)| match entry {
            Entry::Exchange(exchange) => Some((index, exchange)),
            Entry::Note(_) | Entry::Error(_) => None,
        })
    }

    /// An exchange by its index among the entries.
    pub fn exchange_mut(&mut self, index: usize) -> Option<&mut Exchange> {
        match self.entries.get_mut(index) {
            Some(Entry::Exchange(exchange)) => Some(exchange),
            _ => None,
        }
    }

    /// Scrolls by rows, down if positive. `lines` gives the lines of an entry, and `height` the rows that are seen.
    pub fn scroll(&mut self, rows: isize, height: usize, lines: impl Fn(&Entry) -> usize) {
        let end = self.end(height, &lines);
        let mut top = self.top.unwrap_or(end).min(end);
        let mut rest = rows.unsigned_abs();
        if rows < 0 {
            while rest > top.row && top.entry > 0 {
                rest -= top.row + 1;
                top = Top { entry: top.entry - 1, row: lines(&self.entries[top.entry - 1]).saturating_sub(1) };
            }
            top.row = top.row.saturating_sub(rest);
        } else {
            while top < end {
                let count = lines(&self.entries[top.entry]);
                if top.row + rest < count {
                    top.row += rest;
                    break;
                }
                // The terminal may have become wider since, and the entry shorter.
                rest = rest.saturating_sub(count.saturating_sub(top.row));
                top = Top { entry: top.entry + 1, row: 0 };
            }
        }
        self.top = (top < end).then_some(top);
    }

    /// The lines that are seen, and whether there are more below.
    pub fn visible<'a>(&self, height: usize, lines: impl Fn(&Entry) -> Vec<Line<'a>>) -> (Vec<Line<'a>>, bool) {
        let end = self.end(height, |entry| lines(entry).len());
        let top = self.top.unwrap_or(end).min(end);
        let mut seen = Vec::new();
        for (index, entry) in self.entries.iter().enumerate().skip(top.entry) {
            let skipped = if index == top.entry { top.row } else { 0 };
            seen.extend(lines(entry).into_iter().skip(skipped));
            if seen.len() >= height {
                break;
            }
        }
        seen.truncate(height);
        (seen, top < end)
    }

    /// The first row that is seen when the last one is at the bottom.
    fn end(&self, height: usize, lines: impl Fn(&Entry) -> usize) -> Top {
        let mut rest = height;
        for (entry, shown) in self.entries.iter().enumerate().rev() {
            let count = lines(shown);
            if count >= rest {
                return Top { entry, row: count - rest };
            }
            rest -= count;
        }
        Top { entry: 0, row: 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Entries of so many lines, each line numbered.
    fn transcript(counts: &[usize]) -> Transcript {
        let mut next = 0;
        let mut transcript = Transcript::default();
        for &count in counts {
            transcript
                .push(Entry::Note((next..next + count).map(|line| line.to_string()).collect::<Vec<_>>().join("\n")));
            next += count;
        }
        transcript
    }

    fn lines(entry: &Entry) -> Vec<Line<'static>> {
        let Entry::Note(text) = entry else { panic!("a note") };
        text.lines().map(|line| Line::from(line.to_owned())).collect()
    }

    fn seen(transcript: &Transcript, height: usize) -> Vec<usize> {
        let (seen, _) = transcript.visible(height, lines);
        seen.iter().map(|line| line.to_string().parse().unwrap()).collect()
    }

    proptest! {
        #[test]
        fn scrolling_is_that_of_one_long_list(
            counts in prop::collection::vec(1usize..6, 0..8),
            moves in prop::collection::vec(-9isize..9, 0..12),
            height in 1usize..10,
        ) {
            let total: usize = counts.iter().sum();
            let last = total.saturating_sub(height);
            let mut transcript = transcript(&counts);
            let mut top = last;
            for rows in moves {
                transcript.scroll(rows, height, |entry| lines(entry).len());
                top = top.saturating_add_signed(rows).min(last);
                prop_assert_eq!(seen(&transcript, height), (top..total.min(top + height)).collect::<Vec<_>>());
                prop_assert_eq!(transcript.visible(height, lines).1, top < last);
            }
        }
    }

    #[test]
    fn what_is_read_stays_in_place_while_entries_come() {
        let mut transcript = transcript(&[5, 5]);
        transcript.scroll(-3, 4, |entry| lines(entry).len());
        assert_eq!(seen(&transcript, 4), [3, 4, 5, 6]);
        transcript.entries.push(Entry::Note("10\n11".into()));
        assert_eq!(seen(&transcript, 4), [3, 4, 5, 6]);
        transcript.push(Entry::Note("12".into()));
        assert_eq!(seen(&transcript, 4), [9, 10, 11, 12]);
    }
}
