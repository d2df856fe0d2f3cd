//! Whether Linux backs memory with huge pages by itself.

use std::fs;

/// `always`, `madvise` (where a program asks for them) or `never`; `None` where the system has none.
pub fn transparent() -> Option<String> {
    chosen(&fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok()?)
}

/// The value in brackets: `always [madvise] never`.
fn chosen(values: &str) -> Option<String> {
    let (chosen, _) = values.split_once('[')?.1.split_once(']')?;
    Some(chosen.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_in_brackets_is_the_one_in_force() {
        assert_eq!(chosen("always [madvise] never\n").as_deref(), Some("madvise"));
        assert_eq!(chosen("[always] madvise never\n").as_deref(), Some("always"));
        assert_eq!((chosen("always madvise never"), chosen("]x["), chosen("")), (None, None, None));
    }
}
