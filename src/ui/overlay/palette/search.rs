//! Which entries match a query, in which order, and by which letters.

use std::borrow::Cow;

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use unicode_segmentation::UnicodeSegmentation;

use super::entries::Entry;

/// Entries that are listed; more are only counted.
const MOST: usize = 500;

/// Characters of a query that are matched. A longer one is a pasting mistake.
const QUERY: usize = 100;

/// An entry that matches.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Hit {
    /// Index of the entry.
    pub entry: usize,
    /// The matched grapheme clusters of its title, in order.
    pub marks: Vec<u32>,
}

/// A query, by its words and by its letters.
struct Query {
    words: Pattern,
    letters: Pattern,
}

/// How an entry matches, the better way first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    /// Each word is in the title.
    Title,
    /// Each word is in the kind or the title.
    KindAndTitle,
    /// Each word is in the kind, the title or the description.
    Anywhere,
    /// The letters of each word are in the title, in this order.
    Letters,
    /// They are in the kind and the title.
    KindAndLetters,
}

/// The entries that match, the best first, and how many match. Every entry matches an empty query, in the given order.
pub(super) fn search(entries: &[Entry], query: &str) -> (Vec<Hit>, usize) {
    let query: String = query.chars().take(QUERY).collect();
    if query.trim().is_empty() {
        let all = (0..entries.len()).take(MOST);
        return (all.map(|entry| Hit { entry, marks: Vec::new() }).collect(), entries.len());
    }
    let pattern = |kind| Pattern::new(&query, CaseMatching::Ignore, Normalization::Smart, kind);
    let query = Query { words: pattern(AtomKind::Substring), letters: pattern(AtomKind::Fuzzy) };
    let mut config = Config::DEFAULT;
    config.prefer_prefix = true;
    let (mut matcher, mut buffer) = (Matcher::new(config), Vec::new());
    let mut found = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let how = Match::ALL.into_iter().find_map(|how| {
            let text = how.text(entry);
            Some((how, query.pattern(how).score(Utf32Str::new(&text, &mut buffer), &mut matcher)?))
        });
        found.extend(how.map(|(how, score)| (how, score, index)));
    }
    // Of equal matches the more useful entry stays first.
    found.sort_by_key(|(how, score, _)| (*how, std::cmp::Reverse(*score)));
    let matches = found.len();
    let hit = |(how, _, entry): (Match, u32, usize)| {
        let marks = marks(query.pattern(how), how, &entries[entry], &mut matcher);
        Hit { entry, marks }
    };
    (found.into_iter().take(MOST).map(hit).collect(), matches)
}

/// The matched letters of a title.
fn marks(pattern: &Pattern, how: Match, entry: &Entry, matcher: &mut Matcher) -> Vec<u32> {
    let (text, before) = (how.text(entry), how.before_title(entry));
    let letters = u32::try_from(entry.title.graphemes(true).count()).unwrap_or_default();
    let (mut indices, mut buffer) = (Vec::new(), Vec::new());
    pattern.indices(Utf32Str::new(&text, &mut buffer), matcher, &mut indices);
    let in_title = indices.into_iter().filter_map(|index| index.checked_sub(before)).filter(|mark| *mark < letters);
    let mut marks: Vec<u32> = in_title.collect();
    marks.sort_unstable();
    marks.dedup();
    marks
}

impl Query {
    fn pattern(&self, how: Match) -> &Pattern {
        match how {
            Match::Title | Match::KindAndTitle | Match::Anywhere => &self.words,
            Match::Letters | Match::KindAndLetters => &self.letters,
        }
    }
}

impl Match {
    const ALL: [Match; 5] = [Match::Title, Match::KindAndTitle, Match::Anywhere, Match::Letters, Match::KindAndLetters];

    /// The text that is searched.
    fn text(self, entry: &Entry) -> Cow<'_, str> {
        let Entry { kind, title, about, .. } = entry;
        match self {
            Match::Title | Match::Letters => Cow::Borrowed(title),
            Match::KindAndTitle | Match::KindAndLetters => Cow::Owned(format!("{} {title}", kind.name())),
            Match::Anywhere => Cow::Owned(format!("{} {title} {about}", kind.name())),
        }
    }

    /// Characters of that text before the title.
    fn before_title(self, entry: &Entry) -> u32 {
        match self {
            Match::Title | Match::Letters => 0,
            Match::KindAndTitle | Match::KindAndLetters | Match::Anywhere => entry.kind.name().len() as u32 + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::choice::Choice;
    use super::super::entries::Kind;
    use super::*;
    use crate::ui::format::plain;

    fn entry(kind: Kind, title: &str, about: &str) -> Entry {
        let choice = Choice::Theme(title.into());
        Entry { kind, title: plain(title), about: about.into(), keys: String::new(), choice }
    }

    fn titles<'a>(entries: &'a [Entry], query: &str) -> Vec<&'a str> {
        search(entries, query).0.iter().map(|hit| entries[hit.entry].title.as_str()).collect()
    }

    #[test]
    fn titles_come_before_kinds_and_descriptions() {
        let entries = [
            entry(Kind::Action, "stop", "stop with a checkpoint"),
            entry(Kind::Preset, "open check", "a preset"),
            entry(Kind::Action, "checkpoint", "save now"),
            entry(Kind::Theme, "nord", "cold"),
            entry(Kind::Theme, "light", "for paper"),
        ];
        assert_eq!(titles(&entries, "check"), ["checkpoint", "open check", "stop"]);
        assert_eq!(titles(&entries, "theme"), ["nord", "light"]);
        assert_eq!(titles(&entries, "NORD theme"), ["nord"]);
        assert_eq!(titles(&entries, "paper"), ["light"]);
        assert_eq!(titles(&entries, "ckpt"), ["checkpoint"]);
        assert!(titles(&entries, "xyz").is_empty());
        assert_eq!(titles(&entries, "  ").len(), entries.len());
        let (hits, _) = search(&entries, "ckt");
        assert_eq!(hits[0].marks, [0, 4, 9]);
    }

    #[test]
    fn very_many_matches_are_counted() {
        let entries: Vec<Entry> = (0..3000).map(|n| entry(Kind::Run, &format!("run-{n}"), "")).collect();
        for query in ["", "run"] {
            let (hits, matches) = search(&entries, query);
            assert_eq!((hits.len(), matches), (MOST, 3000));
        }
        // The best of all of them are listed, not the best of the first ones.
        assert_eq!(titles(&entries, "run-2999"), ["run-2999"]);
    }

    proptest! {
        #[test]
        fn marked_letters_are_those_of_the_query(title in "[a-z標 é-]{0,20}", query in "[a-z標é]{1,4}") {
            let entries = [entry(Kind::Action, &title, "")];
            for hit in search(&entries, &query).0 {
                let letters: Vec<&str> = entries[0].title.graphemes(true).collect();
                prop_assert!(hit.marks.iter().all(|mark| (*mark as usize) < letters.len()));
                let fold = |text: &str| text.replace('é', "e");
                let marked: String = hit.marks.iter().map(|mark| letters[*mark as usize]).collect();
                // Letters that matched in the kind are not marked.
                prop_assert!(fold(&query).ends_with(&fold(&marked)), "{marked:?} of {query:?}");
            }
        }

        #[test]
        fn any_query_is_answered(title in "\\PC{0,30}", query in "\\PC{0,120}") {
            search(&[entry(Kind::Action, &title, &title)], &query);
        }
    }
}
