//! Where models and datasets are found, from the environment variables of Hugging Face software.

use std::fs;
use std::path::PathBuf;

use crate::protocol::Progress;

/// Receives the progress of a download.
pub type OnProgress<'a> = &'a dyn Fn(Progress);

/// Where models and datasets are found.
#[derive(Clone, Debug)]
pub struct Hub {
    /// URL of the hub without a trailing slash.
    pub endpoint: String,
    /// The shared cache, such as `~/.cache/huggingface/hub`.
    pub cache: PathBuf,
    /// Sent to the endpoint only, not to hosts it redirects to.
    pub token: Option<String>,
    /// Whether to use the cache only.
    pub offline: bool,
}

impl Hub {
    /// From `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_CACHE`, `XDG_CACHE_HOME`, `HF_TOKEN`, `HF_TOKEN_PATH` and
    /// `HF_HUB_OFFLINE`, with the defaults of the `huggingface_hub` package.
    pub fn from_env() -> Hub {
        Hub::from_vars(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from_vars(var: impl Fn(&str) -> Option<String>) -> Hub {
        let user = || PathBuf::from(var("HOME").unwrap_or_else(|| ".".into())).join(".cache");
        let home = var("HF_HOME").map(PathBuf::from);
        let home = home.unwrap_or_else(|| var("XDG_CACHE_HOME").map_or_else(user, PathBuf::from).join("huggingface"));
        let token_file = var("HF_TOKEN_PATH").map_or_else(|| home.join("token"), PathBuf::from);
        let token = var("HF_TOKEN").or_else(|| fs::read_to_string(token_file).ok());
        let endpoint = var("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        let is_true = |value: String| ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str());
        Hub {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            cache: var("HF_HUB_CACHE").map_or_else(|| home.join("hub"), PathBuf::from),
            token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
            offline: var("HF_HUB_OFFLINE").is_some_and(is_true),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_environment_is_read_as_in_huggingface_hub() {
        let hub = |vars: &[(&str, &str)]| {
            let vars: BTreeMap<String, String> =
                vars.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            Hub::from_vars(|name| vars.get(name).cloned())
        };
        let plain = hub(&[("HOME", "/home/me")]);
        assert_eq!(plain.cache, Path::new("/home/me/.cache/huggingface/hub"));
        assert!(!plain.offline && plain.token.is_none());
        assert_eq!(hub(&[("XDG_CACHE_HOME", "/x")]).cache, Path::new("/x/huggingface/hub"));
        assert_eq!(hub(&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/h")]).cache, Path::new("/h/hub"));
        let full =
            hub(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c"), ("HF_TOKEN", " t\n"), ("HF_ENDPOINT", "http://m/")]);
        assert_eq!(full.cache, Path::new("/c"));
        assert_eq!(full.token.as_deref(), Some("t"));
        assert_eq!(full.endpoint, "http://m");
        assert!(hub(&[("HF_HUB_OFFLINE", "True")]).offline && !hub(&[("HF_HUB_OFFLINE", "0")]).offline);
    }

    #[test]
    fn a_token_file_is_read_without_its_newline() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("token"), "secret\n").unwrap();
        let vars = |name: &str| (name == "HF_HOME").then(|| home.path().display().to_string());
        assert_eq!(Hub::from_vars(vars).token.as_deref(), Some("secret"));
    }
}
