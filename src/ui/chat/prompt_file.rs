//! The file of earlier prompts, shared by all chats: a prompt to try on several runs need not be typed again.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::ui::widgets::input_history::MAX_ENTRIES;

/// Longest prompt that is kept, in bytes.
const MAX_BYTES: usize = 16 << 10;

/// The file in finesift's cache folder. Each line is a JSON string.
pub fn path(cache: &Path) -> PathBuf {
    cache.join("chat_prompts.jsonl")
}

/// The latest prompts, the latest last. Lines that cannot be read are left out; a file with many more prompts is shortened.
pub fn read(file: &Path) -> Vec<String> {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut prompts: Vec<String> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if prompts.len() > 2 * MAX_ENTRIES {
        prompts.drain(..prompts.len() - MAX_ENTRIES);
        // A prompt that another chat adds meanwhile may be lost; the history is a convenience.
        let _ = rewrite(file, &prompts);
    }
    prompts
}

/// Adds a prompt. One that is very long is not kept.
///
/// # Errors
/// The file cannot be written.
pub fn append(file: &Path, prompt: &str) -> io::Result<()> {
    if prompt.len() > MAX_BYTES {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = private().create(true).append(true).open(file)?;
    file.write_all(line(prompt).as_bytes())
}

fn rewrite(file: &Path, prompts: &[String]) -> io::Result<()> {
    let beside = file.with_extension("new");
    let lines: String = prompts.iter().map(|prompt| line(prompt)).collect();
    private().create(true).truncate(true).write(true).open(&beside)?.write_all(lines.as_bytes())?;
    fs::rename(beside, file)
}

fn line(prompt: &str) -> String {
    serde_json::Value::from(prompt).to_string() + "\n"
}

/// Prompts are readable by their user only.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_of_many_lines_come_back_and_the_file_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let file = path(&folder.path().join("cache"));
        assert_eq!(read(&file), [""; 0]);
        append(&file, "one\n\"two\" 学").unwrap();
        append(&file, &"x".repeat(MAX_BYTES + 1)).unwrap();
        fs::write(&file, fs::read_to_string(&file).unwrap() + "not JSON\n").unwrap();
        append(&file, "three").unwrap();
        assert_eq!(read(&file), ["one\n\"two\" 学", "three"]);
        for number in 0..2 * MAX_ENTRIES {
            append(&file, &number.to_string()).unwrap();
        }
        assert_eq!(read(&file).len(), MAX_ENTRIES);
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), MAX_ENTRIES);
        assert_eq!(read(&file).last().unwrap(), "999");
    }
}
