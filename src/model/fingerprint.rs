//! A fingerprint that tells base models apart without reading all of their weights.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::model_folder::weight_files;

/// Samples of a file, spread over it.
const SAMPLES: u64 = 64;

/// Bytes of a sample.
const SAMPLE: u64 = 4096;

/// The longest header that safetensors itself allows.
const MAX_HEADER: u64 = 100_000_000;

/// SHA-256 in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Of config.json.
    pub config: String,
    /// Of the weights: each file's size, header and 64 samples of 4 KiB, spread over it. Smaller files are read whole.
    pub weights: String,
}

impl Fingerprint {
    /// Reads the samples of a model's folder.
    ///
    /// # Errors
    /// A file is missing or cannot be read.
    pub fn of(folder: &Path) -> Result<Fingerprint> {
        let path = folder.join("config.json");
        let mut config = Sha256::new();
        // Whether it is a config at all is checked elsewhere.
        File::open(&path)
            .and_then(|mut file| std::io::copy(&mut file, &mut config))
            .with_context(|| format!("{}: cannot read", path.display()))?;
        let mut weights = Sha256::new();
        for name in weight_files(folder)? {
            let path = folder.join(name);
            sample(&path, &mut weights).with_context(|| format!("{}: cannot read", path.display()))?;
        }
        Ok(Fingerprint { config: format!("{:x}", config.finalize()), weights: format!("{:x}", weights.finalize()) })
    }
}

fn sample(path: &Path, digest: &mut Sha256) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    digest.update(bytes.to_le_bytes());
    let mut read = |from: u64, count: u64| -> std::io::Result<Vec<u8>> {
        let mut piece = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        file.by_ref().take(count).read_to_end(&mut piece)?;
        digest.update(&piece);
        Ok(piece)
    };
    let length = read(0, 8)?.try_into().map_or(0, u64::from_le_bytes);
    let header = length.min(MAX_HEADER).min(bytes);
    read(8, header)?;
    let (start, rest) = (8 + header, bytes.saturating_sub(8 + header));
    if rest <= SAMPLES * SAMPLE {
        read(start, rest)?;
    } else {
        // The first bytes, the last, and 62 samples between.
        for number in 0..SAMPLES {
            let offset = u128::from(rest - SAMPLE) * u128::from(number) / u128::from(SAMPLES - 1);
            read(start + offset as u64, SAMPLE)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_header_size_or_sample_is_another_model() {
        let folder = tempfile::tempdir().unwrap();
        let write = |config: &str, header: &[u8], data: &[u8]| {
            std::fs::write(folder.path().join("config.json"), config).unwrap();
            let bytes = [&(header.len() as u64).to_le_bytes()[..], header, data].concat();
            std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
            Fingerprint::of(folder.path()).unwrap()
        };
        let data = vec![1; 1_000_000];
        let first = write("{}", b"{}", &data);
        assert_eq!(first, write("{}", b"{}", &data));
        assert_ne!(first.config, write("{ }", b"{}", &data).config);
        assert_ne!(first.weights, write("{}", b"{ }", &data).weights);
        assert_ne!(first.weights, write("{}", b"{}", &data[1..]).weights);
        for place in [0, 500_000, 999_999] {
            let mut other = data.clone();
            // A sample lies within every 16 KiB.
            other[place..(place + 16_384).min(1_000_000)].fill(2);
            assert_ne!(first.weights, write("{}", b"{}", &other).weights, "{place}");
        }
        // A header that claims 2^63 bytes.
        let claim = [&(1u64 << 63).to_le_bytes()[..], b"{}"].concat();
        std::fs::write(folder.path().join("model.safetensors"), claim).unwrap();
        assert!(Fingerprint::of(folder.path()).is_ok());
    }
}
