//! Checkpoints on failing disks and with all kinds of damage, without torch.

use std::fs;
use std::path::Path;

use finesift::data::ShortBatch;
use finesift::protocol::HeadRows;
use finesift::runs::checkpoint::{
    BaseIdentity, ClockState, DataIdentity, FORMAT, Manifest, STATE, ScheduleFacts, SlotEntry, StoredCheckpoint,
    TensorBytes, list, recover, write,
};
use finesift::runs::{Disk, RealDisk};

use crate::disks::{ERRNOS, Faulty, FullDisk};

#[test]
fn a_disk_error_at_any_call_leaves_a_valid_checkpoint_and_no_other_files() {
    let calls = {
        let run = tempfile::tempdir().unwrap();
        let disk = Faulty::new(0, |_| false);
        put(&RealDisk, run.path(), 5, 1).unwrap();
        put(&disk, run.path(), 5, 2).unwrap();
        disk.calls()
    };
    assert!(calls > 12, "{calls}");
    for errno in ERRNOS {
        for (at, stays) in (0..calls).flat_map(|at| [(at, false), (at, true)]) {
            let run = tempfile::tempdir().unwrap();
            put(&RealDisk, run.path(), 4, 1).unwrap();
            put(&RealDisk, run.path(), 5, 1).unwrap();
            // Fails once, or from there on.
            let disk = Faulty::new(errno, move |call| call == at || (stays && call > at));
            let written = put(&disk, run.path(), 5, 2);
            let what = format!("errno {errno} at call {at}, stays: {stays}");
            if let Err(error) = &written {
                let error = format!("{error:#}");
                assert!(error.contains("step-00000005: cannot write the checkpoint: "), "{what}: {error}");
                assert!(error.contains(&format!("(os error {errno})")), "{what}: {error}");
            }
            // As on the next start.
            let checkpoints = run.path().join("checkpoints");
            recover(&RealDisk, &checkpoints).unwrap();
            assert_eq!(value(&checkpoints.join("step-00000004")).unwrap(), 1, "{what}");
            let kept = value(&checkpoints.join("step-00000005")).unwrap();
            assert!(kept == 2 || (kept == 1 && written.is_err()), "{what}: {kept}");
            assert_eq!(fs::read_dir(&checkpoints).unwrap().count(), 2, "{what}");
            put(&RealDisk, run.path(), 5, 3).unwrap();
            assert_eq!(value(&checkpoints.join("step-00000005")).unwrap(), 3, "{what}");
        }
    }
}

#[test]
fn free_space_is_checked_before_writing() {
    let run = tempfile::tempdir().unwrap();
    let error = format!("{:#}", put(&FullDisk, run.path(), 1, 1).unwrap_err());
    assert!(error.contains("needs 1 MiB, but only 0 MiB are free on the disk"), "{error}");
    assert_eq!(fs::read_dir(run.path().join("checkpoints")).unwrap().count(), 0);
}

#[test]
fn every_flipped_byte_and_every_cut_is_detected() {
    let run = tempfile::tempdir().unwrap();
    put(&RealDisk, run.path(), 5, 1).unwrap();
    let path = run.path().join("checkpoints/step-00000005");
    let mut tried = 0;
    for file in ["checkpoint.json", STATE] {
        let file = path.join(file);
        let whole = fs::read(&file).unwrap();
        assert!(value(&path).is_ok());
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            fs::write(&file, &bytes).unwrap();
            assert!(value(&path).is_err(), "{}: byte {place}", file.display());
            tried += 1;
        }
        for length in (0..whole.len()).step_by(64) {
            fs::write(&file, &whole[..length]).unwrap();
            assert!(value(&path).is_err(), "{}: cut to {length}", file.display());
        }
        fs::write(&file, [&whole[..], b"\0"].concat()).unwrap();
        assert!(value(&path).is_err(), "{}: a byte more", file.display());
        fs::remove_file(&file).unwrap();
        assert!(value(&path).is_err(), "{}: none", file.display());
        fs::write(&file, whole).unwrap();
    }
    assert!(tried > 1000, "{tried}");
}

#[test]
fn a_manifest_with_huge_sizes_allocates_nothing() {
    let run = tempfile::tempdir().unwrap();
    put(&RealDisk, run.path(), 5, 1).unwrap();
    let path = run.path().join("checkpoints/step-00000005");
    let mut manifest = StoredCheckpoint::open(&path).unwrap().manifest;
    manifest.files[0].bytes = 1 << 62;
    fs::write(path.join("checkpoint.json"), manifest.seal().unwrap()).unwrap();
    let error = value(&path).unwrap_err();
    assert!(error.contains("should have 4611686018427387904"), "{error}");
    // A sparse file of 1 TiB.
    fs::File::create(path.join("checkpoint.json")).unwrap().set_len(1 << 40).unwrap();
    assert!(StoredCheckpoint::open(&path).unwrap_err().to_string().contains("larger than 16 MiB"));
    assert_eq!(list(&run.path().join("checkpoints")).unwrap().len(), 1);
}

/// Writes a checkpoint of this step whose master is this value.
fn put(disk: &dyn Disk, run: &Path, step: u64, value: u32) -> anyhow::Result<u64> {
    let path = run.join(format!("checkpoints/step-{step:08}"));
    fs::create_dir_all(run.join("checkpoints"))?;
    let (values, indices) = (vec![value as f32; 64], (0..64).collect::<Vec<i32>>());
    let master: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let indices: Vec<u8> = indices.iter().flat_map(|index| index.to_le_bytes()).collect();
    let tensors = [
        TensorBytes { name: "indices", dtype: "I32", shape: vec![64], bytes: &indices },
        TensorBytes { name: "master", dtype: "F32", shape: vec![64], bytes: &master },
    ];
    write(disk, &path, manifest(step), &tensors)
}

/// The value that the checkpoint in this folder holds.
fn value(path: &Path) -> Result<u32, String> {
    let stored = StoredCheckpoint::open(path).map_err(|error| error.to_string())?;
    let state = stored.read(STATE).map_err(|error| error.to_string())?;
    let tensors = safetensors::SafeTensors::deserialize(&state).map_err(|error| error.to_string())?;
    let master = tensors.tensor("master").map_err(|error| error.to_string())?;
    Ok(f32::from_le_bytes(master.data()[..4].try_into().unwrap()) as u32)
}

fn manifest(step: u64) -> Manifest {
    Manifest {
        format: FORMAT,
        version: "0.1.0".into(),
        run: "run".into(),
        preset: "about = \"a\"\n".into(),
        step,
        epoch: 1.5,
        seed: 42,
        short_batch: ShortBatch::Random,
        updates: step as i64,
        evaluated: Some(step),
        best: None,
        reselected: None,
        since_best: 0,
        method: Default::default(),
        lora: None,
        schedule: ScheduleFacts { steps: 10, warmup: 1, peak: 1e-3 },
        clock: ClockState { elapsed: 1.25, steps: (1.0, 5), evaluations: (0.25, 1) },
        events: 1000,
        base: BaseIdentity { model: "m".into(), commit: None, config: "c".into(), weights: "w".into() },
        device: "cpu, 2 threads".into(),
        labels: vec!["no".into(), "yes".into()],
        label_numbers: Vec::new(),
        head: HeadRows::AsStored,
        data: DataIdentity { examples: 3, train: "t".into(), eval_examples: 2, eval: "e".into() },
        slots: vec![SlotEntry { name: "a.weight".into(), shape: vec![8, 16], dense: false, trained: 64, retired: 0 }],
        files: Vec::new(),
    }
}
