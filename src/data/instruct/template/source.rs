//! What Python's Jinja accepts and minijinja does not, written in other words: `{% generation %}` blocks, and `%` behind a
//! string.

use super::percent::{string_end, with_format_filter};

/// Variables that hold what begins and ends a generation block in the rendered text; empty unless blocks are located.
pub(super) const GENERATION: [&str; 2] = ["_generation_begins", "_generation_ends"];

/// A template that minijinja accepts.
pub(super) struct TemplateSource {
    pub text: String,
    /// Whether it has `{% generation %}` blocks.
    pub has_generation: bool,
}

/// A part of a template, with its delimiters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part<'a> {
    /// Text, comments and raw blocks.
    Verbatim(&'a str),
    /// `{{ … }}` or `{% … %}`: what opens it, its inside, what closes it. The signs of whitespace control belong to the
    /// delimiters.
    Code(&'a str, &'a str, &'a str),
}

impl TemplateSource {
    /// Translates a template. One with a syntax error stays as it is, so that minijinja reports it.
    pub fn new(source: &str) -> TemplateSource {
        let (mut text, mut has_generation) = (String::with_capacity(source.len()), false);
        for part in parts(source) {
            match part {
                Part::Verbatim(verbatim) => text += verbatim,
                Part::Code(open, "generation", close) => {
                    has_generation = true;
                    // Two blocks, one for each side's whitespace control. `with` gives the variables that are set inside
                    // the scope they have in Python.
                    text += &format!("{open} if true %}}{{{{ {} }}}}{{% with {close}", GENERATION[0]);
                }
                Part::Code(open, "endgeneration", close) => {
                    text += &format!("{open} endwith %}}{{{{ {} }}}}{{% endif {close}", GENERATION[1]);
                }
                Part::Code(open, code, close) => {
                    text += open;
                    text += &with_format_filter(code);
                    text += close;
                }
            }
        }
        TemplateSource { text, has_generation }
    }
}

fn parts(source: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest) = (Vec::new(), source);
    while !rest.is_empty() {
        let opens = |at: &usize| rest[at + 1..].starts_with(['{', '%', '#']);
        let Some(at) = rest.match_indices('{').map(|(at, _)| at).find(opens) else { break };
        parts.push(Part::Verbatim(&rest[..at]));
        rest = &rest[at..];
        if rest.starts_with("{#") {
            let end = rest.find("#}").map_or(rest.len(), |end| end + 2);
            parts.push(Part::Verbatim(&rest[..end]));
            rest = &rest[end..];
            continue;
        }
        let Some(end) = code_end(rest) else { break };
        let code = code(&rest[..end]);
        if code.is_some_and(|code| code == "raw") {
            let after = &rest[end..];
            let raw = after.match_indices("{%").find_map(|(at, _)| Some(end + at + raw_end(&after[at..])?));
            let end = raw.unwrap_or(rest.len());
            parts.push(Part::Verbatim(&rest[..end]));
            rest = &rest[end..];
            continue;
        }
        let (open, close) = (2 + sign(rest[2..].chars().next()), 2 + sign(rest[..end - 2].chars().next_back()));
        match code.filter(|_| open + close <= end) {
            Some(code) => {
                let code = if matches!(code, "generation" | "endgeneration") { code } else { &rest[open..end - close] };
                parts.push(Part::Code(&rest[..open], code, &rest[end - close..end]));
            }
            None => parts.push(Part::Verbatim(&rest[..end])),
        }
        rest = &rest[end..];
    }
    parts.push(Part::Verbatim(rest));
    parts
}

fn sign(character: Option<char>) -> usize {
    usize::from(matches!(character, Some('-' | '+')))
}

/// The trimmed inside of a tag of code, without signs of whitespace control.
fn code(tag: &str) -> Option<&str> {
    let inside = tag.get(2..tag.len().checked_sub(2)?)?;
    let inside = inside.strip_prefix(['-', '+']).unwrap_or(inside);
    Some(inside.strip_suffix(['-', '+']).unwrap_or(inside).trim())
}

/// Length of the `{% endraw %}` that `text` begins with.
fn raw_end(text: &str) -> Option<usize> {
    let inside = text.strip_prefix("{%")?;
    let after = inside.strip_prefix(['-', '+']).unwrap_or(inside).trim_start().strip_prefix("endraw")?.trim_start();
    let rest = after.strip_prefix(['-', '+']).unwrap_or(after).strip_prefix("%}")?;
    Some(text.len() - rest.len())
}

/// Where the tag of code ends that `text` begins with. As in Jinja, a delimiter within a string or brackets ends nothing.
fn code_end(text: &str) -> Option<usize> {
    let close = if text.starts_with("{{") { "}}" } else { "%}" };
    let (mut at, mut depth) = (2, 0_usize);
    while at < text.len() {
        let rest = &text[at..];
        if depth == 0 && rest.starts_with(close) {
            return Some(at + 2);
        }
        let next = rest.chars().next()?;
        match next {
            '"' | '\'' => at += string_end(rest)?,
            _ => {
                match next {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                at += next.len_utf8();
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn generation_tags_are_found_with_any_spaces_and_signs() {
        for (open, close) in [("{%", "%}"), ("{%-", "-%}"), ("{%+", "%}"), ("{%-", "%}")] {
            for space in ["", " ", "   ", "\n", "\t"] {
                let tag = |name: &str| format!("{open}{space}{name}{space}{close}");
                let source = TemplateSource::new(&format!("a{}b{}c", tag("generation"), tag("endgeneration")));
                assert!(source.has_generation);
                let expected = format!(
                    "a{open} if true %}}{{{{ _generation_begins }}}}{{% with {close}b{open} endwith %}}{{{{ \
                     _generation_ends }}}}{{% endif {close}c"
                );
                assert_eq!(source.text, expected);
            }
        }
    }

    #[test]
    fn other_text_is_no_generation_tag() {
        for source in [
            "{# {% generation %} #}",
            "{% raw %}{% generation %}{% endraw %}",
            "{{ '{% generation %}' }}",
            "generation",
            "{% set generation = 1 %}",
        ] {
            let translated = TemplateSource::new(source);
            assert!(!translated.has_generation, "{source}");
            assert_eq!(translated.text, source);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "[{}%#\\-'\" a-z(),.|\u{e9}]{0,60}") {
            let joined: String = parts(&text).into_iter().map(|part| match part {
                Part::Verbatim(text) => text.to_owned(),
                Part::Code(open, code, close) => format!("{open}{code}{close}"),
            }).collect();
            prop_assert_eq!(joined, text.clone());
            TemplateSource::new(&text);
        }
    }
}
