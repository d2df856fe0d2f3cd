//! The classes of a classifier, and when two names mean the same class.

use std::borrow::Cow;

/// The classes of a classifier, in the order of the head's outputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    /// Their names.
    pub names: Vec<String>,
    /// The number that the data have instead of each name; empty where the data have names.
    pub numbers: Vec<String>,
}

impl Classes {
    /// Classes whose data have names.
    pub fn named(names: Vec<String>) -> Classes {
        Classes { names, numbers: Vec::new() }
    }

    /// Classes of a model's config.json. transformers calls unnamed classes `LABEL_0`, `LABEL_1`: their number is their index.
    pub fn of_model(names: Vec<String>) -> Classes {
        let numbers = if Classes::is_generic(&names) {
            (0..names.len()).map(|index| index.to_string()).collect()
        } else {
            Vec::new()
        };
        Classes { names, numbers }
    }

    /// Whether these are the names that transformers gives classes without names: `LABEL_0`, `LABEL_1` and so on.
    pub fn is_generic(names: &[String]) -> bool {
        names.iter().enumerate().all(|(index, name)| *name == format!("LABEL_{index}"))
    }

    /// Whether the names are the indices themselves: `0`, `1` and so on, as of a model that was trained on numbers.
    pub fn are_indices(names: &[String]) -> bool {
        names.iter().enumerate().all(|(index, name)| *name == index.to_string())
    }

    /// The index of each of these classes among `names`. `None` if they are not the same classes.
    pub fn order_in(&self, names: &[String]) -> Option<Vec<usize>> {
        let keys: Vec<String> = names.iter().map(|name| loose_key(name)).collect();
        let order: Vec<usize> = self
            .names
            .iter()
            .map(|name| {
                let key = loose_key(name);
                // Names that differ in their case alone are compared by it.
                names.iter().position(|other| other == name).or_else(|| only_position(&keys, &key))
            })
            .collect::<Option<_>>()?;
        let mut sorted = order.clone();
        sorted.sort_unstable();
        sorted.iter().copied().eq(0..names.len()).then_some(order)
    }

    /// `negative (0), positive (1)`
    pub fn describe(&self) -> String {
        const SHOWN: usize = 10;
        let shown = self.names.iter().take(SHOWN).enumerate().map(|(index, name)| format!("{name} ({index})"));
        let shown = shown.collect::<Vec<_>>().join(", ");
        match self.names.len() {
            count if count > SHOWN => format!("{shown}, … ({count} classes)"),
            _ => shown,
        }
    }
}

/// What a label in a file is compared by: a whole number has no decimal places or exponent, and a boolean no upper case, so
/// that `1.0` in one file and `1` in another are the same class.
pub(super) fn key(label: &str) -> Cow<'_, str> {
    if label.eq_ignore_ascii_case("true") || label.eq_ignore_ascii_case("false") {
        return label.to_ascii_lowercase().into();
    }
    match whole_number(label) {
        Some(number) => number.to_string().into(),
        None => label.into(),
    }
}

/// The value of a label that is a whole number: `-1`, `2.0`, `1e1`. A number with leading zeros is a name, such as a postcode.
pub(super) fn whole_number(label: &str) -> Option<i64> {
    /// Beyond it not every whole number is a float.
    const EXACT: f64 = (1_u64 << 53) as f64;
    let digits = label.strip_prefix(['-', '+']).unwrap_or(label);
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    let padded = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    if !numeric || padded {
        return None;
    }
    let value: f64 = label.parse().ok()?;
    (value.fract() == 0.0 && value.abs() < EXACT).then_some(value as i64)
}

/// What names are compared by where two sets of classes are known: `NOT_ENTAILMENT` and `not entailment` are one class.
pub(super) fn loose_key(name: &str) -> String {
    let separated = |c: char| if matches!(c, '-' | ' ') { '_' } else { c };
    key(name.trim()).to_lowercase().chars().map(separated).collect()
}

/// The only place of a key; `None` if it is not there, or more than once.
pub(super) fn only_position(keys: &[String], key: &str) -> Option<usize> {
    let mut places = keys.iter().enumerate().filter(|(_, other)| *other == key).map(|(index, _)| index);
    places.next().filter(|_| places.next().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn numbers_and_booleans_have_one_key_however_they_are_written() {
        for label in ["1", "1.0", "1.", "+1", "1.00", "1e0", "10e-1", "1.0E+0"] {
            assert_eq!(key(label), "1", "{label}");
        }
        for (label, expected) in
            [("-0.0", "0"), ("-1.0", "-1"), ("TRUE", "true"), ("False", "false"), ("1e16", "1e16"), ("0.5", "0.5")]
        {
            assert_eq!(key(label), expected);
        }
        for label in ["01", "007", "1_000", "1,0", "e1", "0x1", "1.0.0", "1 ", "inf", "nan", "Positive", "١", ""] {
            assert_eq!(key(label), label);
        }
    }

    #[test]
    fn the_same_classes_are_found_in_any_order_and_case() {
        let classes = Classes::named(names(&["not_entailment", "entailment"]));
        assert_eq!(classes.order_in(&names(&["ENTAILMENT", "Not Entailment"])), Some(vec![1, 0]));
        for other in [&["entailment"][..], &["entailment", "neutral"], &["entailment", "not_entailment", "neutral"]] {
            assert_eq!(classes.order_in(&names(other)), None, "{other:?}");
        }
        let by_case = Classes::named(names(&["No", "NO"]));
        assert_eq!(by_case.order_in(&names(&["NO", "No"])), Some(vec![1, 0]));
        assert_eq!(Classes::named(names(&["no", "yes"])).order_in(&names(&["No", "NO"])), None);
    }

    #[test]
    fn only_the_names_of_transformers_are_generic() {
        assert!(Classes::is_generic(&names(&["LABEL_0", "LABEL_1"])));
        assert!(
            !Classes::is_generic(&names(&["LABEL_1", "LABEL_0"])) && !Classes::is_generic(&names(&["LABEL_0", "yes"]))
        );
    }

    proptest! {
        #[test]
        fn a_whole_number_has_one_key(number in -1_000_000_i64..1_000_000, zeros in 0_usize..4) {
            let text = if zeros == 0 { number.to_string() } else { format!("{number}.{}", "0".repeat(zeros)) };
            prop_assert_eq!(key(&text).into_owned(), number.to_string());
        }

        #[test]
        fn a_permutation_is_found(order in Just((0..7).collect::<Vec<usize>>()).prop_shuffle()) {
            let names: Vec<String> = ["a", "B", "c d", "1", "2.0", "true", "é"].map(str::to_owned).into();
            let permuted: Vec<String> = order.iter().map(|&index| names[index].to_uppercase()).collect();
            let found = Classes::named(names.clone()).order_in(&permuted).unwrap();
            for (index, place) in found.into_iter().enumerate() {
                prop_assert_eq!(&permuted[place], &names[index].to_uppercase());
            }
        }
    }
}
