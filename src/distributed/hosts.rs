//! SLURM's lists of nodes: `node[01-03,7],gpu2`.

/// The first host of a list; `None` for a list that is not well formed.
pub fn first_host(list: &str) -> Option<String> {
    let list = list.trim();
    // A comma within brackets is no end of a name.
    let mut depth = 0;
    let end = list.find(|c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    let mut name = list[..end.unwrap_or(list.len())].to_owned();
    while let Some((before, rest)) = name.split_once('[') {
        let (ranges, after) = rest.split_once(']')?;
        let first = ranges.split([',', '-']).next().filter(|first| !first.is_empty())?;
        name = format!("{before}{first}{after}");
    }
    let valid = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    (!name.is_empty() && name.chars().all(valid)).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_host_of_a_list() {
        for (list, first) in [
            ("node1", Some("node1")),
            ("node1,node2", Some("node1")),
            ("node[01-03,7],gpu2", Some("node01")),
            ("gpu2,node[01-03]", Some("gpu2")),
            ("rack[2-3]node[5,8]", Some("rack2node5")),
            ("a-b.example.org", Some("a-b.example.org")),
            ("node[", None),
            ("node[]", None),
            ("", None),
            ("node 1", None),
        ] {
            assert_eq!(first_host(list).as_deref(), first, "{list}");
        }
    }

    proptest! {
        #[test]
        fn no_list_panics(list in r"[a-z0-9,\-\[\] ]{0,30}") {
            let _ = first_host(&list);
        }
    }
}
