//! Which entries match a query, in which order, and by which letters.

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

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

/// How an entry matches, the better way first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    /// The letters are in the title in this order.
    Title,
    /// They are in the kind and the title.
    KindAndTitle,
    /// Each word is somewhere in the entry.
    Words,
}

/// The entries that match, the best first, and how many match. Every entry matches an empty query, in the given order.
pub(super) fn search(entries: &[Entry], query: &str) -> (Vec<Hit>, usize) {
    let query: String = query.chars().take(QUERY).collect();
    if query.trim().is_empty() {
        let all = (0..entries.len()).take(MOST);
        return (all.map(|entry| Hit { entry, marks: Vec::new() }).collect(), entries.len());
    }
    let pattern = |kind| Pattern::new(&query, CaseMatching::Ignore, Normalization::Smart, kind);
    let (letters, words) = (pattern(AtomKind::Fuzzy), pattern(AtomKind::Substring));
    let mut config = Config::DEFAULT;
    config.prefer_prefix = true;
    let (mut matcher, mut buffer) = (Matcher::new(config), Vec::new());
    let mut score =
        |pattern: &Pattern, text: &str, matcher: &mut Matcher| pattern.score(Utf32Str::new(text, &mut buffer), matcher);
    let mut found = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let whole = || format!("{} {} {}", entry.kind.name(), entry.title, entry.about);
        let how = score(&letters, &entry.title, &mut matcher)
            .map(|score| (Match::Title, score))
            .or_else(|| Some((Match::KindAndTitle, score(&letters, &entry.kind_and_title(), &mut matcher)?)))
            .or_else(|| Some((Match::Words, score(&words, &whole(), &mut matcher)?)));
        if let Some((how, score)) = how {
            found.push((how, score, index));
        }
    }
    // Of equal matches the more useful entry stays first.
    found.sort_by_key(|(how, score, _)| (*how, std::cmp::Reverse(*score)));
    let matches = found.len();
    let marked = |(how, _, entry): (Match, u32, usize)| Hit {
        entry,
        marks: marks(&letters, how, &entries[entry], &mut matcher),
    };
    (found.into_iter().take(MOST).map(marked).collect(), matches)
}

/// The matched letters of a title.
fn marks(pattern: &Pattern, how: Match, entry: &Entry, matcher: &mut Matcher) -> Vec<u32> {
    let (text, before) = match how {
        Match::Title => (entry.title.clone(), 0),
        Match::KindAndTitle => (entry.kind_and_title(), entry.kind.name().len() as u32 + 1),
        Match::Words => return Vec::new(),
    };
    let (mut indices, mut buffer) = (Vec::new(), Vec::new());
    pattern.indices(Utf32Str::new(&text, &mut buffer), matcher, &mut indices);
    let mut marks: Vec<u32> = indices.into_iter().filter_map(|index| index.checked_sub(before)).collect();
    marks.sort_unstable();
    marks.dedup();
    marks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation;

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
        let (hits, _) = search(&entries, "ckpt");
        assert_eq!(hits[0].marks, [3, 4, 5, 9]);
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
