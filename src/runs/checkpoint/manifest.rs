//! `checkpoint.json`: what a checkpoint holds and belongs to, with checksums of every file and of itself.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::CheckpointFault;
use crate::data::ShortBatch;
use crate::protocol::{Eval, HeadRows, LoraFacts, TrainingMethod};

/// Increases when older versions can no longer read it.
pub const FORMAT: u32 = 2;

/// The format of a checkpoint with components that have left the selection, which earlier versions would lose.
pub const FORMAT_RESELECTED: u32 = 3;

/// The bytes before and after the checksum of the manifest.
const SEAL: (&[u8], &[u8]) = (b",\"sha256\":\"", b"\"}\n");

/// Hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;

/// The manifest of a checkpoint: everything of a run but the base model and the data, which it identifies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the file format.
    pub format: u32,
    /// Version of finesift.
    pub version: String,
    /// Name of the run.
    pub run: String,
    /// The preset as TOML, overrides included.
    pub preset: String,
    /// Optimizer steps taken. With the seed they give the position in the order of the examples.
    pub step: u64,
    /// Passes over the training examples.
    pub epoch: f64,
    /// Seed of the order of the examples, the new head and dropout.
    pub seed: u64,
    /// The short batch at the end of an epoch; manifests of earlier versions have none.
    #[serde(default)]
    pub short_batch: ShortBatch,
    /// Updates of the optimizer's moments.
    pub updates: i64,
    /// The latest step with a scheduled evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluated: Option<u64>,
    /// The best evaluation so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Eval>,
    /// The latest step before which components were selected again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reselected: Option<u64>,
    /// Scheduled evaluations since the best one; 0 in manifests of earlier versions.
    #[serde(default)]
    pub since_best: u64,
    /// How the run trains its model; SIFT in manifests of earlier versions.
    #[serde(default)]
    pub method: TrainingMethod,
    /// The adapters of a LoRA run, whose parameters are among the slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraFacts>,
    pub schedule: ScheduleFacts,
    pub clock: ClockState,
    /// Bytes of `events.jsonl` before the checkpoint.
    pub events: u64,
    pub base: BaseIdentity,
    pub data: DataIdentity,
    /// Device and thread count: sums differ in the last digits on others. Empty in old manifests.
    #[serde(default)]
    pub device: String,
    /// Names of the classes; empty for regression, language models and old manifests.
    #[serde(default)]
    pub labels: Vec<String>,
    /// The number that the data have instead of each name, if they have numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub label_numbers: Vec<String>,
    /// Where the rows of the classification head come from.
    #[serde(default, skip_serializing_if = "HeadRows::is_as_stored")]
    pub head: HeadRows,
    /// Trained parameters, in the order of the flat vectors.
    pub slots: Vec<SlotEntry>,
    /// The other files of the checkpoint.
    #[serde(default)]
    pub files: Vec<FileEntry>,
}

/// Parameters of the learning rate schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleFacts {
    /// Steps of the whole run.
    pub steps: u64,
    /// Steps of linear warmup.
    pub warmup: u64,
    /// Peak learning rate.
    pub peak: f64,
}

/// Training time in seconds, pauses excluded, with counts of steps and evaluations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClockState {
    pub elapsed: f64,
    /// Seconds in steps, and their number.
    pub steps: (f64, u32),
    /// Seconds in evaluations, and their number.
    pub evaluations: (f64, u32),
}

/// Identity of a base model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseIdentity {
    /// Hub id or folder, as in the preset.
    pub model: String,
    /// The commit of a model of the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// SHA-256 of config.json.
    pub config: String,
    /// SHA-256 of the headers of the weight files and of samples of their bytes.
    pub weights: String,
}

impl BaseIdentity {
    /// The folder, or the hub id at the commit: `org/name@COMMIT`. It stays the same model when the repository changes.
    pub fn location(&self) -> String {
        match &self.commit {
            Some(commit) => format!("{}@{commit}", self.name()),
            None => self.model.clone(),
        }
    }

    /// The folder, or the hub id without a revision.
    pub fn name(&self) -> &str {
        match self.commit {
            Some(_) => self.model.split_once('@').map_or(self.model.as_str(), |(name, _)| name),
            None => &self.model,
        }
    }
}

/// Identity of the tokenized examples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataIdentity {
    /// Number of training examples.
    pub examples: u64,
    /// SHA-256 of their tokens and labels.
    pub train: String,
    /// Number of held-out examples.
    pub eval_examples: u64,
    /// SHA-256 of their tokens and labels.
    pub eval: String,
}

/// A parameter in the flat vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotEntry {
    /// Name of the parameter in the base checkpoint.
    pub name: String,
    pub shape: Vec<i64>,
    /// Whether all components are trained.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dense: bool,
    /// Number of trained components.
    pub trained: i64,
    /// Number of components that were trained before and have left the selection.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retired: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// A file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    pub name: String,
    pub bytes: u64,
    /// SHA-256 of the content.
    pub sha256: String,
}

impl Manifest {
    /// The bytes of the file: one line of JSON whose last entry is the SHA-256 of everything before it.
    pub fn seal(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)?;
        // The closing brace comes after the checksum.
        bytes.pop();
        let checksum = format!("{:x}", Sha256::digest(&bytes));
        bytes.extend_from_slice(SEAL.0);
        bytes.extend_from_slice(checksum.as_bytes());
        bytes.extend_from_slice(SEAL.1);
        Ok(bytes)
    }

    /// Reads the bytes of the file. The checksum covers every byte.
    ///
    /// # Errors
    /// The checksum does not match, or the format is another one.
    pub fn unseal(bytes: &[u8]) -> Result<Manifest, CheckpointFault> {
        let damaged = CheckpointFault::Checksum;
        let Some(rest) = bytes.strip_suffix(SEAL.1) else { return Err(damaged) };
        let Some((rest, checksum)) = rest.split_at_checked(rest.len().saturating_sub(DIGITS)) else {
            return Err(damaged);
        };
        let Some(body) = rest.strip_suffix(SEAL.0) else { return Err(damaged) };
        if format!("{:x}", Sha256::digest(body)).as_bytes() != checksum {
            return Err(damaged);
        }
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format } = serde_json::from_slice(bytes)?;
        if ![FORMAT, FORMAT_RESELECTED].contains(&format) {
            return Err(CheckpointFault::Format(format));
        }
        Ok(serde_json::from_slice(bytes)?)
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
        short_batch: ShortBatch::Random,
        updates: step as i64,
        evaluated: None,
        best: None,
        reselected: None,
        since_best: 0,
        method: TrainingMethod::Sift,
        lora: None,
        schedule: ScheduleFacts { steps: 100, warmup: 6, peak: 1e-3 },
        clock: ClockState::default(),
        events: 10 * step,
        base: BaseIdentity { model: "m".into(), commit: None, config: "c".into(), weights: "w".into() },
        device: "cpu, 2 threads".into(),
        labels: Vec::new(),
        label_numbers: Vec::new(),
        head: HeadRows::AsStored,
        data: DataIdentity { examples: 3, train: "t".into(), eval_examples: 2, eval: "e".into() },
        slots: vec![SlotEntry { name: "a.weight".into(), shape: vec![2, 3], dense: false, trained: 2, retired: 0 }],
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
    fn an_old_manifest_without_device_and_labels_is_read() {
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
        assert_eq!(manifest.short_batch, ShortBatch::Longest);
        assert_eq!((manifest.step, manifest.slots.len(), manifest.files[0].bytes), (120, 2, 9000));
    }

    #[test]
    fn an_unknown_format_is_named_in_the_error() {
        let sealed = Manifest { format: 9, ..example(1) }.seal().unwrap();
        assert!(Manifest::unseal(&sealed).unwrap_err().to_string().contains("format is 9"));
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
        let slots = names.map(|name| SlotEntry {
            name,
            shape: vec![8192, 22016],
            dense: false,
            trained: 1_803_551,
            retired: 0,
        });
        let manifest = Manifest { slots: slots.collect(), preset: "x".repeat(1000), ..example(1) };
        let bytes = manifest.seal().unwrap().len();
        assert!(bytes < 63 << 10, "{bytes}");
    }
}
