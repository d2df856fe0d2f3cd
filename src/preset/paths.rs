//! What paths in a preset stand for: `cache:` and `~` are folders.

use std::path::Path;

/// What a path in a preset stands for: `cache:` at its beginning is finesift's cache folder, `~/` the home folder.
pub(super) fn expand(path: &str, cache: &Path) -> String {
    match (path.strip_prefix("cache:"), path.strip_prefix('~')) {
        (Some(rest), _) => cache.join(rest).display().to_string(),
        (None, Some(rest)) if rest.is_empty() || rest.starts_with('/') => match std::env::var("HOME") {
            Ok(home) if !home.is_empty() => format!("{home}{rest}"),
            _ => path.to_owned(),
        },
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_home_folder() {
        let home = std::env::var("HOME").unwrap();
        assert_eq!(expand("~/a", Path::new("/cache")), format!("{home}/a"));
        assert_eq!(expand("~", Path::new("/cache")), home);
        for other in ["~me/a", "a/~", "a~"] {
            assert_eq!(expand(other, Path::new("/cache")), other);
        }
    }
}
