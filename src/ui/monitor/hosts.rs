//! Short names of hosts that are still different.

use std::collections::BTreeSet;

/// The names without the domain, and without the words that all long ones begin with: `007` of
/// `cluster-a-node-007.example.org`. Names that would no longer differ are left as they are.
pub(super) fn short<'a>(hosts: &[&'a str]) -> Vec<&'a str> {
    let labels: Vec<&str> = hosts.iter().map(|host| label(host)).collect();
    let names = if count(&labels) == count(hosts) { labels } else { hosts.to_vec() };
    let Some(first) = names.first() else { return names };
    // A short name is recognised only as a whole.
    const LONG: usize = 12;
    if names.iter().all(|name| name.chars().count() <= LONG) {
        return names;
    }
    let starts = first.char_indices().filter(|(_, c)| matches!(c, '-' | '_')).map(|(at, c)| at + c.len_utf8());
    let shared = starts.rev().find(|start| {
        let word = &first[..*start];
        names.iter().all(|name| name.strip_prefix(word).is_some_and(|rest| !rest.is_empty()))
    });
    let shared = shared.unwrap_or(0);
    names.into_iter().map(|name| &name[shared..]).collect()
}

/// How many different ones there are.
pub(super) fn count(hosts: &[&str]) -> usize {
    hosts.iter().collect::<BTreeSet<_>>().len()
}

/// The first label of a name; the whole of an address.
fn label(host: &str) -> &str {
    if host.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return host;
    }
    host.split('.').next().filter(|label| !label.is_empty()).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_lose_what_they_share() {
        assert_eq!(short(&["a.example.org", "b.example.org"]), ["a", "b"]);
        assert_eq!(short(&["a.example.org", "a.example.com"]), ["a.example.org", "a.example.com"]);
        assert_eq!(short(&["10.0.0.1", "10.0.0.2"]), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(short(&["node-1", "node-2"]), ["node-1", "node-2"]);
        assert_eq!(short(&["cluster-a-node-007", "cluster-a-node-012"]), ["007", "012"]);
        assert_eq!(short(&["cluster-a-node-007", "cluster-a-node-007"]), ["007", "007"]);
        assert_eq!(short(&[""]), [""]);
        assert!(short(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn short_names_differ_as_the_names_do(
            hosts in prop::collection::vec("(ab|-|\\.|_|1|é|long-name-){0,6}", 0..6)
        ) {
            let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
            let names = short(&hosts);
            prop_assert_eq!(count(&names), count(&hosts));
            prop_assert!(hosts.iter().zip(&names).all(|(host, name)| host.contains(name)));
            prop_assert!(hosts.iter().zip(&names).all(|(host, name)| host.is_empty() == name.is_empty()));
        }
    }
}
