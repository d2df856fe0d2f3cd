//! `checkpoint.json`: what a checkpoint holds and belongs to, with a checksum of every file and of itself.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::protocol::Eval;

/// Changes when older programs could not read it.
pub const FORMAT: u32 = 2;

/// What stands between the manifest proper and its checksum, and after that.
const SEAL: (&[u8], &[u8]) = (b",\"sha256\":\"", b"\"}\n");

/// Digits of a SHA-256.
const DIGITS: usize = 64;

/// What a checkpoint is: everything of a run but the base model and the data, whose identity it knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the layout.
    pub format: u32,
    /// Version of finesift.
    pub version: String,
    /// The run.
    pub run: String,
    /// The preset as it ran: TOML, overrides included.
    pub preset: String,
    /// Optimizer steps taken. With the seed they tell the place in the examples' order.
    pub step: u64,
    /// Passes over the examples.
    pub epoch: f64,
    /// Decides the examples' order, the new head and what is dropped.
    pub seed: u64,
    /// Updates that the moments have seen.
    pub updates: i64,
    /// The latest step whose evaluation, due by the preset, was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluated: Option<u64>,
    /// The best evaluation so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Eval>,
    /// What the learning rate follows from.
    pub schedule: ScheduleFacts,
    /// Time at work.
    pub clock: ClockState,
    /// Bytes of `events.jsonl` that tell what came before.
    pub events: u64,
    /// The model it changes.
    pub base: BaseIdentity,
    /// What it was trained on.
    pub data: DataIdentity,
    /// What computed it: sums on another device, or of another number of threads, differ in their last digits. Empty in
    /// manifests from before it was noted.
    #[serde(default)]
    pub device: String,
    /// Names of the classes to tell apart; none where a number is predicted or text is written, and in manifests from
    /// before they were noted.
    #[serde(default)]
    pub labels: Vec<String>,
    /// What is trained, in the order of the flat vectors.
    pub slots: Vec<SlotEntry>,
    /// The files beside this one.
    #[serde(default)]
    pub files: Vec<FileEntry>,
}

/// What the learning rate of each step follows from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleFacts {
    /// Steps of the whole run.
    pub steps: u64,
    /// Steps in which it rises.
    pub warmup: u64,
    /// Its peak.
    pub peak: f64,
}

/// Time at work, pauses left out: seconds, and how many there were of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClockState {
    /// In all.
    pub elapsed: f64,
    /// In steps.
    pub steps: (f64, u32),
    /// In evaluations.
    pub evaluations: (f64, u32),
}

/// Which base model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseIdentity {
    /// As the preset names it.
    pub model: String,
    /// SHA-256 of config.json.
    pub config: String,
    /// SHA-256 of the headers of the weights' files and of samples of their bytes.
    pub weights: String,
}

/// Which examples, tokenized.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataIdentity {
    /// Training examples.
    pub examples: u64,
    /// SHA-256 of their tokens and labels.
    pub train: String,
    /// Held-out examples.
    pub eval_examples: u64,
    /// SHA-256 of theirs.
    pub eval: String,
}

/// A parameter's place in the flat vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotEntry {
    /// Its name in the model's checkpoint.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Whether all of it is trained.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dense: bool,
    /// Components trained.
    pub trained: i64,
}

/// A file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of all of it.
    pub sha256: String,
}

impl Manifest {
    /// The file's bytes: one line of JSON whose last entry is the SHA-256 of all before it.
    pub fn seal(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)?;
        // The brace goes to the end, behind the checksum.
        bytes.pop();
        let checksum = format!("{:x}", Sha256::digest(&bytes));
        bytes.extend_from_slice(SEAL.0);
        bytes.extend_from_slice(checksum.as_bytes());
        bytes.extend_from_slice(SEAL.1);
        Ok(bytes)
    }

    /// Reads a file's bytes, every one of which the checksum covers.
    ///
    /// # Errors
    /// What is wrong, in a few words.
    pub fn unseal(bytes: &[u8]) -> Result<Manifest, String> {
        let damaged = || "its checksum does not match".to_owned();
        let rest = bytes.strip_suffix(SEAL.1).ok_or_else(damaged)?;
        let (rest, checksum) = rest.split_at_checked(rest.len().saturating_sub(DIGITS)).ok_or_else(damaged)?;
        let body = rest.strip_suffix(SEAL.0).ok_or_else(damaged)?;
        if format!("{:x}", Sha256::digest(body)).as_bytes() != checksum {
            return Err(damaged());
        }
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format } = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if format != FORMAT {
            return Err(format!("its format is {format}, and this version of finesift reads format {FORMAT}"));
        }
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
pub(super) fn example(step: u64) -> Manifest {
    Manifest {
        format: FORMAT,
        version: "0.1.0".into(),
        run: "r".into(),
        preset: "about = \"\u{e9}\"\n".into(),
        step,
        epoch: 0.5,
        seed: 42,
        updates: step as i64,
        evaluated: None,
        best: None,
        schedule: ScheduleFacts { steps: 100, warmup: 6, peak: 1e-3 },
        clock: ClockState::default(),
        events: 10 * step,
        base: BaseIdentity { model: "m".into(), config: "c".into(), weights: "w".into() },
        device: "cpu, 2 threads".into(),
        labels: Vec::new(),
        data: DataIdentity { examples: 3, train: "t".into(), eval_examples: 2, eval: "e".into() },
        slots: vec![SlotEntry { name: "a.weight".into(), shape: vec![2, 3], dense: false, trained: 2 }],
        files: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_manifest_is_json_and_reads_back() {
        let manifest = example(7);
        let sealed = manifest.seal().unwrap();
        assert_eq!(Manifest::unseal(&sealed).unwrap(), manifest);
        let json: serde_json::Value = serde_json::from_slice(&sealed).unwrap();
        assert_eq!((json["step"].as_u64(), json["sha256"].as_str().unwrap().len()), (Some(7), 64));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_detected() {
        let sealed = example(7).seal().unwrap();
        for place in 0..sealed.len() {
            for bit in 0..8 {
                let mut bytes = sealed.clone();
                bytes[place] ^= 1 << bit;
                assert!(Manifest::unseal(&bytes).is_err(), "byte {place}, bit {bit}");
            }
            assert!(Manifest::unseal(&sealed[..place]).is_err(), "cut at {place}");
        }
        assert!(Manifest::unseal(&[&sealed[..], b"x"].concat()).is_err());
    }

    #[test]
    fn a_manifest_from_before_devices_and_labels_were_noted_is_read() {
        let early = concat!(
            r#"{"format":2,"version":"0.1.0","run":"early","preset":"about = \"é\"\n","step":120,"epoch":1.5,"seed":42,"#,
            r#""updates":120,"schedule":{"steps":170,"warmup":11,"peak":0.001},"clock":{"elapsed":12.5,"steps":[11.0,120],"#,
            r#""evaluations":[1.5,2]},"events":20480,"base":{"model":"some/bert","config":"c0","weights":"a1"},"#,
            r#""data":{"examples":3000,"train":"d2","eval_examples":300,"eval":"e3"},"#,
            r#""slots":[{"name":"encoder.layer.0.attention.self.query.weight","shape":[64,64],"trained":205},"#,
            r#"{"name":"classifier.weight","shape":[3,64],"dense":true,"trained":192}],"#,
            r#""files":[{"name":"state.safetensors","bytes":9000,"sha256":"f4"}]"#,
            r#","sha256":"990877098ea3167e57af77c6e617d70eaec8d272b23dade783a839e9e63c6161"}"#,
            "\n"
        );
        let manifest = Manifest::unseal(early.as_bytes()).unwrap();
        assert_eq!((manifest.device.as_str(), manifest.labels.len()), ("", 0));
        assert_eq!((manifest.step, manifest.slots.len(), manifest.files[0].bytes), (120, 2, 9000));
    }

    #[test]
    fn another_format_is_named() {
        let sealed = Manifest { format: 9, ..example(1) }.seal().unwrap();
        assert!(Manifest::unseal(&sealed).unwrap_err().contains("format is 9"));
    }

    #[test]
    fn a_large_model_fits_the_budget() {
        // 80 layers of 7 targets, as of a model with 65 billion parameters.
        let names = (0..80).flat_map(|layer| {
            ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
                .into_iter()
                .chain(["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"])
                .map(move |module| format!("model.layers.{layer}.{module}.weight"))
        });
        let slots = names.map(|name| SlotEntry { name, shape: vec![8192, 22016], dense: false, trained: 1_803_551 });
        let manifest = Manifest { slots: slots.collect(), preset: "x".repeat(1000), ..example(1) };
        let bytes = manifest.seal().unwrap().len();
        assert!(bytes < 63 << 10, "{bytes}");
    }
}
