//! Ids of repositories, with a revision, and how they differ from folders.

use std::path::Path;

/// The revision of an id that names none.
pub(super) const MAIN: &str = "main";

/// A repository of the hub at a revision, written as `org/name` or `org/name@revision`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RepositoryId<'a> {
    /// As it was written.
    pub text: &'a str,
    /// Without the revision.
    pub name: &'a str,
    /// A branch, a tag, a commit, or `refs/pr/N`.
    pub revision: &'a str,
}

/// Why a text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdError {
    Name,
    Revision,
}

impl<'a> RepositoryId<'a> {
    pub fn parse(text: &'a str) -> Result<RepositoryId<'a>, IdError> {
        let (name, revision) = text.split_once('@').unwrap_or((text, MAIN));
        match (is_hub_id(name), is_revision(revision)) {
            (true, true) => Ok(RepositoryId { text, name, revision }),
            (false, _) => Err(IdError::Name),
            (true, false) => Err(IdError::Revision),
        }
    }

    /// The revision, if it is a commit already.
    pub fn commit(&self) -> Option<&'a str> {
        is_commit(self.revision).then_some(self.revision)
    }
}

/// The hub's rule for names: `name` or `org/name` of letters, digits, `-`, `_` and `.`, without `--` and `..`.
fn is_hub_id(id: &str) -> bool {
    let plain = |part: &str| {
        let edge = |c: char| c == '-' || c == '.';
        !part.is_empty()
            && !part.starts_with(edge)
            && !part.ends_with(edge)
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    id.len() <= 96 && !id.contains("--") && !id.contains("..") && id.split('/').count() <= 2 && id.split('/').all(plain)
}

/// Revisions become paths below `refs/`, so they are checked more strictly than git does.
fn is_revision(revision: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && !part.ends_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+'))
    };
    revision.len() <= 200 && !revision.contains("..") && revision.split('/').all(plain)
}

pub(super) fn is_commit(commit: &str) -> bool {
    commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a text that is no existing folder was meant as one: it begins like a path, or with a folder that is here.
pub(super) fn is_path(text: &str) -> bool {
    let first = text.split('/').next().unwrap_or(text);
    matches!(first, "" | "." | ".." | "~")
        || text.starts_with('~')
        || text.contains('\\')
        || (text.contains('/') && !text.contains('@') && Path::new(first).is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hub_ids_cannot_leave_the_cache() {
        for id in ["gpt2", "FacebookAI/roberta-large", "nyu-mll/glue", "a_b/c.d-1"] {
            assert!(is_hub_id(id), "{id}");
        }
        let long = "x".repeat(97);
        for id in ["", "/", "../..", "/etc", "a/b/c", "a/", "/a", "a--b", "a..b", ".a/b", "a/b\n", "a b", "é", &long] {
            assert!(!is_hub_id(id), "{id:?}");
        }
    }

    proptest::proptest! {
        /// Whatever is an id, its parts are paths that stay below the folder they are joined to.
        #[test]
        fn no_id_leads_out_of_the_cache(text in "[a-z./@~-]{0,12}") {
            if let Ok(id) = RepositoryId::parse(&text) {
                let stays = |part: &str| {
                    Path::new(part).components().all(|part| matches!(part, std::path::Component::Normal(_)))
                };
                proptest::prop_assert!(stays(id.name) && stays(id.revision), "{text}");
                proptest::prop_assert!(!is_path(&text) || text.contains('/'), "{text}");
            }
        }
    }

    #[test]
    fn an_id_may_have_a_revision() {
        let parsed = RepositoryId::parse("org/name").unwrap();
        assert_eq!((parsed.name, parsed.revision, parsed.commit()), ("org/name", "main", None));
        let commit = "0123456789abcdef0123456789abcdef01234567";
        for revision in ["v1.0", "refs/pr/12", "feature/a+b", "0123abc", commit] {
            let text = format!("org/name@{revision}");
            let parsed = RepositoryId::parse(&text).unwrap();
            assert_eq!((parsed.name, parsed.revision), ("org/name", revision));
            assert_eq!(parsed.commit().is_some(), revision == commit);
        }
        for revision in ["", "/", "..", "a/../b", "a//b", "-x", ".hidden", "a b", "a\n", "a@b", "a/", "é"] {
            assert_eq!(RepositoryId::parse(&format!("org/name@{revision}")), Err(IdError::Revision), "{revision:?}");
        }
        assert_eq!(RepositoryId::parse("../x@main"), Err(IdError::Name));
    }

    #[test]
    fn a_text_that_begins_like_a_path_or_with_a_folder_that_is_here_is_a_path() {
        // Tests run in the folder of the crate.
        for path in ["./x", "../x/y", "/x", "~/x", "~me/x", ".", "src/no-such-model", "a\\b"] {
            assert!(is_path(path), "{path}");
        }
        for id in ["gpt2", "org/name", "no-such-folder/x", "src/name@main", "src"] {
            assert!(!is_path(id), "{id}");
        }
    }
}
