//! The files of a report: report.json, report.md, a CSV and an SVG per figure, a CSV per table, in one folder that is complete or
//! absent.

mod csv;
mod markdown;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::report::Report;
use crate::Usage;
use crate::unfinished::Unfinished;

/// The report itself, which [`read`] reads.
const REPORT: &str = "report.json";

/// Files and their texts.
fn files(report: &Report) -> Result<Vec<(String, String)>> {
    let mut files = vec![
        (REPORT.to_owned(), serde_json::to_string_pretty(report)? + "\n"),
        ("report.md".to_owned(), markdown::report(report)),
    ];
    for figure in &report.figures {
        files.push((format!("{}.csv", figure.name), csv::figure(figure)?));
        files.push((format!("{}.svg", figure.name), figure.svg()));
    }
    for table in &report.tables {
        files.push((format!("{}.csv", table.name), csv::table(table)?));
    }
    Ok(files)
}

/// Writes the files of a report into a folder, in place of those of an earlier analysis.
///
/// # Errors
/// Those of [`check_folder`]; what could not be written.
pub fn write(report: &Report, folder: &Path) -> Result<()> {
    report.check()?;
    check_folder(folder)?;
    let unfinished = Unfinished::in_place_of(folder)?;
    let path = &unfinished.path;
    fs::create_dir(path).with_context(|| format!("{}: cannot create the folder", path.display()))?;
    for (name, text) in files(report)? {
        let file = path.join(name);
        fs::write(&file, text).with_context(|| format!("{}: cannot write", file.display()))?;
    }
    unfinished.finish()
}

/// Checks that a report may be written to this folder.
///
/// # Errors
/// [`Usage`]: the folder holds anything but an earlier analysis.
pub fn check_folder(folder: &Path) -> Result<()> {
    let place = folder.display();
    if folder.symlink_metadata().is_err() {
        return Ok(());
    }
    let other = |why: &str| Usage(format!("{place}: {why}; choose another folder with --out"));
    let entries = fs::read_dir(folder).map_err(|_| other("exists and is no folder"))?;
    let earlier = read(folder).map_err(|_| other("exists and holds no analysis"))?;
    let own: HashSet<String> = files(&earlier)?.into_iter().map(|(name, _)| name).collect();
    for entry in entries {
        let name = entry.with_context(|| format!("{place}: cannot read"))?.file_name();
        let name = name.to_string_lossy();
        if !own.contains(&*name) {
            bail!(other(&format!("holds {name}, which is not of its analysis")));
        }
    }
    Ok(())
}

/// Reads the report in a folder.
///
/// # Errors
/// [`Usage`]: no such folder, no report in it, or one that is malformed.
pub fn read(folder: &Path) -> Result<Report> {
    let path = folder.join(REPORT);
    let place = path.display();
    let Ok(text) = fs::read_to_string(&path) else {
        bail!(Usage(format!("{}: no analysis there ({REPORT} is missing)", folder.display())));
    };
    let report: Report = serde_json::from_str(&text).map_err(|error| Usage(format!("{place}: {error}")))?;
    report.check().map_err(|error| Usage(format!("{place}: {error}")))?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples;

    #[test]
    fn a_report_is_written_read_and_replaced_but_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("analyses/gradients-demo");
        let mut report = samples::report();
        write(&report, &out).unwrap();
        let json = |report: &Report| serde_json::to_string(report).unwrap();
        assert_eq!(json(&read(&out).unwrap()), json(&report));
        let mut names: Vec<String> = fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let expected = [
            "magnitudes.csv",
            "magnitudes.svg",
            "modules.csv",
            "norm.csv",
            "norm.svg",
            "report.json",
            "report.md",
            "slice.csv",
            "slice.svg",
        ];
        assert_eq!(names, expected);
        report.figures.pop();
        write(&report, &out).unwrap();
        assert!(!out.join("slice.svg").exists());
        // Files of the user's are not removed with it.
        fs::write(out.join("notes.txt"), "mine").unwrap();
        let error = write(&report, &out).unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains("notes.txt"), "{error}");
        for (there, why) in [("empty", "holds no analysis"), ("file", "is no folder")] {
            let place = folder.path().join(there);
            if there == "file" {
                fs::write(&place, "").unwrap()
            } else {
                fs::create_dir(&place).unwrap()
            }
            let error = check_folder(&place).unwrap_err();
            assert!(error.is::<Usage>() && error.to_string().contains(why), "{error}");
        }
        assert!(read(folder.path()).unwrap_err().is::<Usage>());
    }
}
