//! `%` behind a string, which formats in Python and which minijinja does not know: the same as the filter `format`.

/// Replaces `"…" % x` by `("…"|format(x))`, which is the same in Python.
pub(super) fn with_format_filter(code: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(code.len()), code);
    while let Some(at) = rest.find(['"', '\'']) {
        text += &rest[..at];
        rest = &rest[at..];
        let Some(length) = string_end(rest) else { break };
        let (literal, after) = rest.split_at(length);
        rest = after;
        let operand = after.trim_start().strip_prefix('%').map(str::trim_start);
        match operand.and_then(|operand| Some((operand, operand_end(operand).filter(|end| *end > 0)?))) {
            Some((operand, end)) => {
                let (operand, after) = operand.split_at(end);
                let inner = with_format_filter(operand);
                let arguments = if is_tuple(operand) { inner } else { format!("({inner})") };
                text += &format!("({literal}|format{arguments})");
                rest = after;
            }
            None => text += literal,
        }
    }
    text + rest
}

/// Length of the operand of `%` that `text` begins with: a literal, a name or brackets, with what is appended to them.
fn operand_end(text: &str) -> Option<usize> {
    let mut at = text.len() - text.trim_start_matches(['-', '+', ' ']).len();
    at += match text[at..].chars().next()? {
        '"' | '\'' => string_end(&text[at..])?,
        '(' | '[' | '{' => brackets_end(&text[at..])?,
        _ => word(&text[at..]),
    };
    loop {
        let rest = &text[at..];
        let space = rest.len() - rest.trim_start().len();
        let next = rest.trim_start();
        at += match next.chars().next() {
            Some('(' | '[') => space + brackets_end(next)?,
            Some('.') => space + 1 + word(&next[1..]),
            Some('|') => {
                let name = next[1..].trim_start();
                space + next.len() - name.len() + word(name)
            }
            _ => return Some(at),
        };
    }
}

/// Length of the name or number that `text` begins with.
fn word(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Whether the whole text is a tuple: parentheses with a comma that is in no further brackets.
fn is_tuple(text: &str) -> bool {
    if !text.starts_with('(') || brackets_end(text) != Some(text.len()) {
        return false;
    }
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(next) = text[at..].chars().next() {
        match next {
            '"' | '\'' => {
                at += string_end(&text[at..]).unwrap_or(1);
                continue;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 1 => return true,
            _ => {}
        }
        at += next.len_utf8();
    }
    false
}

/// Length of the string literal that `text` begins with.
pub(super) fn string_end(text: &str) -> Option<usize> {
    let mut characters = text.char_indices();
    let (_, quote) = characters.next()?;
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            character if character == quote => return Some(at + character.len_utf8()),
            _ => {}
        }
    }
    None
}

/// Length of the brackets that `text` begins with.
fn brackets_end(text: &str) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    while at < text.len() {
        let next = text[at..].chars().next()?;
        match next {
            '"' | '\'' => {
                at += string_end(&text[at..])?;
                continue;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += next.len_utf8();
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_with_a_percent_sign_is_a_filter() {
        for (source, expected) in [
            ("'%s' % x", "('%s'|format(x))"),
            ("'%s' % x.y[0](1)|trim ~ 'b'", "('%s'|format(x.y[0](1)|trim)) ~ 'b'"),
            ("'%s-%d' % (a, (b))", "('%s-%d'|format(a, (b)))"),
            ("'%s' % (a) + 'b'", "('%s'|format((a))) + 'b'"),
            ("'%s' % ('a' % 'b')", "('%s'|format((('a'|format('b')))))"),
            ("'%d' % -1", "('%d'|format(-1))"),
            ("7 % 3", "7 % 3"),
            ("'a' if x % 2 else \"%\"", "'a' if x % 2 else \"%\""),
            ("'it\\'s %s' % 'x'", "('it\\'s %s'|format('x'))"),
        ] {
            assert_eq!(with_format_filter(source), expected);
        }
    }
}
