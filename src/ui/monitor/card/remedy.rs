//! What to do about the error of a failed run: which advice to lead with, and which setting of the preset to change.

use toml::{Table, Value};

use crate::preset::KEYS;

/// What to do about an error.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remedy {
    /// The first lines of the card; empty if nothing is known that helps.
    pub advice: String,
    /// The error without the advice that is in it.
    pub cause: String,
    /// The setting to change.
    pub key: Option<&'static str>,
    /// `key=value` to resume the run with.
    pub set: Vec<String>,
    /// A command that helps.
    pub command: Option<String>,
}

/// Where advice begins in the errors that have it.
const ADVICE_AFTER: [&str; 4] = [
    "the step was not taken. ",
    // The last line of the error for memory that ran out.
    "\nBy the estimate ",
    "it cannot select components; ",
    "cannot be read; ",
];

/// Errors without advice of their own: what is in them, what to do, and the setting it is about.
const KNOWN: [(&str, &str, Option<&str>); 8] = [
    ("No space left on device", "Free disk space, then resume the run or launch it again.", None),
    ("Disk quota exceeded", "Free disk space, then resume the run or launch it again.", None),
    (
        "out of memory",
        "Use less memory: a smaller train.batch, or train.gradient_checkpointing = true.",
        Some("train.batch"),
    ),
    ("HF_HUB_OFFLINE is set", "Unset HF_HUB_OFFLINE, so that it is downloaded, or name what is in the cache.", None),
    ("Cannot reach", "Check the network, then launch again; what is in the cache needs none.", None),
    ("no GPU", "Run on the CPU with --device cpu.", None),
    ("finesift panicked", "This is a bug: copy the error and report it.", None),
    ("no such folder", "Name a folder or a model of the hub.", Some("model.id")),
];

impl Remedy {
    /// The remedy of an error, of a run with this preset as TOML.
    pub fn of(error: &str, preset: &str) -> Remedy {
        let error = error.trim();
        if let Some((cause, command)) = download(error) {
            let advice = format!("Download it first: `{command}`.");
            return Remedy { advice, cause: cause.into(), command: Some(command.into()), ..Remedy::default() };
        }
        let (cause, advice) = split(error);
        // Advice names what to change before the cause does.
        let key = mentioned(advice).or_else(|| mentioned(cause)).or_else(|| named_by_value(error, preset));
        let known = KNOWN.iter().find(|(part, ..)| error.contains(part)).filter(|_| advice.is_empty());
        let key = key.or_else(|| known.and_then(|(.., key)| *key));
        let advice = match (advice, known, key) {
            ("", Some((_, advice, _)), _) => (*advice).to_owned(),
            ("", None, Some(key)) => format!("Change {key} of the preset, then launch again."),
            (advice, ..) => advice.to_owned(),
        };
        let cause = cause.trim_end_matches([';', '.', ' ']).to_owned();
        Remedy { set: settings_in(&advice), advice, cause, key, command: None }
    }
}

/// An error up to the command that downloads what is missing, and the command.
fn download(error: &str) -> Option<(&str, &str)> {
    let (cause, rest) = error.split_once("Run `finesift download ")?;
    let name = rest.split('`').next()?;
    let start = error.len() - rest.len() - "finesift download ".len();
    Some((cause.trim_end_matches(['.', ' ']), &error[start..error.len() - rest.len() + name.len()]))
}

/// An error up to its advice, and the advice.
fn split(error: &str) -> (&str, &str) {
    let ends = ADVICE_AFTER.iter().filter_map(|mark| {
        let at = error.find(mark)?;
        // A mark belongs to the cause, unless it begins a line of the advice.
        Some(if mark.starts_with('\n') { at } else { at + mark.len() })
    });
    let (cause, advice) = ends.min().map_or((error, ""), |at| error.split_at(at));
    (cause, advice.trim())
}

/// The `--set key=value` of the first command of a text: another command is another way.
fn settings_in(text: &str) -> Vec<String> {
    let text = text.split('`').find(|part| part.contains("--set ")).unwrap_or_default();
    let values = text.split("--set ").skip(1);
    let values = values.filter_map(|rest| rest.split([' ', '`']).next());
    values
        .filter(|set| set.split_once('=').is_some_and(|(key, _)| known_key(key).is_some()))
        .map(str::to_owned)
        .collect()
}

fn known_key(name: &str) -> Option<&'static str> {
    KEYS.iter().map(|key| key.name).find(|key| *key == name)
}

/// The first key of a preset that a text names.
fn mentioned(text: &str) -> Option<&'static str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
    words.map(|word| word.trim_matches('.')).filter(|word| word.contains('.')).find_map(known_key)
}

/// The first key whose value in the preset a text names: a model, a file of data.
fn named_by_value(text: &str, preset: &str) -> Option<&'static str> {
    let preset: Table = preset.parse().ok()?;
    let value = |key: &str| {
        let (section, name) = key.split_once('.')?;
        preset.get(section)?.get(name)
    };
    let keys = ["model.id", "data.path", "data.eval_path", "data.hub", "data.task"];
    keys.into_iter().find(|key| value(key).is_some_and(|value| names(text, value))).and_then(known_key)
}

/// Whether a text has a value, of a path at least its last part.
fn names(text: &str, value: &Value) -> bool {
    match value {
        Value::String(value) => {
            let last = value.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            last.len() > 2 && text.contains(last)
        }
        Value::Array(values) => values.iter().any(|value| names(text, value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRESET: &str = "[model]\nid = \"/models/minilm\"\n[data]\npath = [\"/data/texts.csv\"]\n[sift]\nrate = 0.1\n";

    #[test]
    fn advice_in_an_error_comes_first_and_its_settings_resume_the_run() {
        let error = "step 3: the loss is NaN and the gradient norm 1e9 at a learning rate of 1e-1; the step was not taken. \
                     Resume with a lower learning rate (peak 1e-1): `finesift resume runs/a --set train.learning_rate=1e-2`. \
                     Clip gradients: train.clip = 1 (now 0).";
        let remedy = Remedy::of(error, PRESET);
        assert!(remedy.advice.starts_with("Resume with a lower") && remedy.advice.ends_with("(now 0)."), "{remedy:?}");
        assert!(remedy.cause.starts_with("step 3: ") && remedy.cause.ends_with("the step was not taken"), "{remedy:?}");
        assert_eq!(
            (remedy.key, remedy.set),
            (Some("train.learning_rate"), vec!["train.learning_rate=1e-2".to_owned()])
        );

        let out_of_memory = |advice: &str| {
            let error = format!(
                "memory ran out in a step of 32 x 128 tokens: it needs an estimated 3.0 GiB.\nthis machine has 8.0 GiB: 1.0 GiB \
                 used by this process, 5.5 GiB by others, 1.5 GiB free; libtorch tried to allocate 2.0 GiB.\nBy the \
                 estimate {advice}"
            );
            Remedy::of(&error, PRESET)
        };
        let remedy = out_of_memory(
            "these fit: train.batch = 16, train.accumulate = 2 (2.0 GiB, in a new run); train.gradient_checkpointing = \
             true (1.0 GiB, `finesift resume runs/mine --set train.gradient_checkpointing=true`).",
        );
        assert!(remedy.advice.starts_with("By the estimate these fit: train.batch = 16, "), "{remedy:?}");
        assert!(
            remedy.cause.ends_with(
                "3.0 GiB.\nthis machine has 8.0 GiB: 1.0 GiB used by this process, 5.5 GiB by others, \
                 1.5 GiB free; libtorch tried to allocate 2.0 GiB"
            ),
            "{remedy:?}"
        );
        assert_eq!(
            (remedy.key, remedy.set),
            (Some("train.batch"), vec!["train.gradient_checkpointing=true".to_owned()])
        );
        // Of two commands the run is resumed with the first.
        let remedy = out_of_memory(
            "these fit: train.batch = 16 (2.0 GiB, `finesift resume runs/mine --set train.batch=16`); \
             train.gradient_checkpointing = true (1.0 GiB, `finesift resume runs/mine --set \
             train.gradient_checkpointing=true`).",
        );
        assert_eq!((remedy.key, remedy.set), (Some("train.batch"), vec!["train.batch=16".to_owned()]));
        let remedy = out_of_memory("nothing smaller fits: it takes 2.0 GiB as it is.");
        assert_eq!((remedy.key, remedy.set), (None, Vec::new()));
    }

    #[test]
    fn the_setting_to_change_is_found() {
        for (error, key, advice) in [
            ("out of memory (std::bad_alloc)", Some("train.batch"), "Use less memory"),
            ("cannot save the last checkpoint: No space left on device (os error 28)", None, "Free disk space"),
            ("/models/minilm: no such folder", Some("model.id"), "Name a folder"),
            ("org/rows is not in the cache, and HF_HUB_OFFLINE is set", None, "Unset HF_HUB_OFFLINE"),
            ("sift.modules: \"qurey\" matches none of them", Some("sift.modules"), "Change sift.modules"),
            ("/data/texts.csv:3: unknown label \"perhaps\"", Some("data.path"), "Change data.path"),
            ("sift.rat is unknown", None, ""),
            ("finesift panicked: index out of bounds; please report this", None, "This is a bug"),
            ("something else", None, ""),
            ("", None, ""),
        ] {
            let remedy = Remedy::of(error, PRESET);
            assert_eq!(remedy.key, key, "{error}");
            assert!(remedy.advice.starts_with(advice) && remedy.advice.is_empty() == advice.is_empty(), "{remedy:?}");
            assert_eq!((remedy.cause.as_str(), remedy.set.len()), (error.trim_end_matches('.'), 0));
        }
        let missing = Remedy::of("demo/minilm: no such folder. Run `finesift download demo`", PRESET);
        let (advice, command) =
            ("Download it first: `finesift download demo`.", Some("finesift download demo".to_owned()));
        assert_eq!((missing.advice.as_str(), missing.command), (advice, command));
        assert_eq!(missing.cause, "demo/minilm: no such folder");
    }

    proptest::proptest! {
        #[test]
        fn any_error_and_preset_are_read(error in "(the step was not taken\\. |\nBy the estimate |`--set |Run `finesift download |[a-z.=`; é]){0,9}", preset in ".{0,40}") {
            let remedy = Remedy::of(&error, &preset);
            proptest::prop_assert!(error.contains(&remedy.cause));
        }
    }
}
