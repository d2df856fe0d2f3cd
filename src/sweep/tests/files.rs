use std::path::Path;

use proptest::prelude::*;

use super::super::file::SweepFile;
use super::super::plan::ExpandedSweep;
use crate::Usage;

fn parse(text: &str) -> Result<SweepFile, Usage> {
    SweepFile::parse(Path::new("sweep.toml"), text)
}

fn expand(text: &str, set: &[&str]) -> Result<ExpandedSweep, Usage> {
    let set: Vec<String> = set.iter().map(|set| (*set).to_owned()).collect();
    let expanded = ExpandedSweep::of(&parse(text)?, &set, Path::new("/cache"));
    expanded.map_err(|error| error.downcast::<Usage>().unwrap())
}

const GRID: &str = r#"
preset = "demo"
seeds = [1, 2]
[set]
train.epochs = 1
"keep.every_minutes" = 3
[grid]
sift.select = ["gradient", "random"]
sift.rate = [0.1, 0.2]
"#;

#[test]
fn a_grid_has_every_combination_and_each_run_its_preset() {
    let ExpandedSweep { plan, presets } = expand(GRID, &["data.max_length=32"]).unwrap();
    let names: Vec<&str> = plan.rows.iter().map(|row| row.name.as_str()).collect();
    let expected = ["gradient rate=0.1", "gradient rate=0.2", "random rate=0.1", "random rate=0.2"];
    assert_eq!(names, expected);
    assert_eq!((plan.runs.len(), presets.len()), (8, 8));
    let (run, preset) = (&plan.runs[plan.rows[2].variants[0].runs[&2]], &presets[plan.rows[2].variants[0].runs[&2]]);
    assert_eq!((preset.train.seed, preset.sift.rate, preset.sift.select.name()), (2, 0.1, "random"));
    assert_eq!((preset.train.epochs, preset.data.max_length, preset.name.as_str()), (1, 32, "demo"));
    // Few checkpoints, and predictions to compare rows, unless the sweep says otherwise.
    assert_eq!((preset.keep.checkpoints, preset.keep.predictions, preset.keep.every_minutes), (1, true, 3.0));
    assert_eq!(run.title, "random rate=0.1, seed 2");
    assert_eq!(run.folder, format!("random-rate-0.1-s2-{}", run.id));
    let other = expand(&GRID.replace("train.epochs = 1", "keep.checkpoints = 5"), &["keep.predictions=false"]).unwrap();
    assert_eq!((other.presets[0].keep.checkpoints, other.presets[0].keep.predictions), (5, false));
}

#[test]
fn equal_runs_are_one_and_an_edited_file_keeps_the_others() {
    let rows = "[[row]]\nname = \"default\"\n[[row]]\nname = \"spelt out\"\nsift.rate = 0.008\nsift.select = \"gradient\"\n\
                [[row]]\nname = \"other\"\nsift.rate = 0.1\n";
    let text = format!("preset = \"demo\"\n{rows}");
    let ExpandedSweep { plan, .. } = expand(&text, &[]).unwrap();
    assert_eq!((plan.rows.len(), plan.runs.len(), plan.seeds.as_slice()), (3, 2, [42].as_slice()));
    assert_eq!(plan.rows[0].variants, plan.rows[1].variants);
    let edited = expand(&text.replace("\"other\"", "\"renamed\"").replace("= 0.008", "= 0.009"), &[]).unwrap().plan;
    let id = |plan: &super::super::SweepPlan, row: usize| plan.runs[plan.rows[row].variants[0].runs[&42]].id.clone();
    assert_eq!((id(&edited, 0), id(&edited, 2)), (id(&plan, 0), id(&plan, 2)));
    assert_ne!(id(&edited, 1), id(&plan, 1));
}

#[test]
fn rows_have_values_to_tune_over_unless_they_set_the_key() {
    let text = "preset = \"demo\"\nseeds = [1, 2, 3]\n[tune]\nvalues = [1e-4, 1e-3]\nseeds = [1, 9]\n\
                [[row]]\nname = \"a\"\n[[row]]\nname = \"b\"\ntune = [1, 2, 3]\n\
                [[row]]\nname = \"c\"\ntrain.learning_rate = 0.5\n[[grid]]\nsift.rate = [0.1]\ntune = [7]\n";
    let plan = expand(text, &[]).unwrap().plan;
    let values = |row: usize| plan.rows[row].variants.iter().map(|variant| variant.value.as_str()).collect::<Vec<_>>();
    assert_eq!((plan.tune.key.as_str(), plan.tune.seeds.as_slice()), ("train.learning_rate", [1, 9].as_slice()));
    assert_eq!(plan.rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["rate=0.1", "a", "b", "c"]);
    assert_eq!(values(1), ["0.0001", "0.001"]);
    assert_eq!(values(2), ["1", "2", "3"]);
    assert_eq!((values(0), values(3)), (vec!["7"], vec!["0.5"]));
    assert_eq!(plan.rows[1].variants[0].runs.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 9]);
    // The first seed, without others.
    let plan = expand("preset = \"demo\"\nseeds = [5, 6]\n[tune]\nkey = \"sift.rate\"\nvalues = [0.1, 0.2]\n", &[])
        .unwrap()
        .plan;
    assert_eq!((plan.tune.seeds.as_slice(), plan.rows[0].name.as_str()), ([5].as_slice(), "preset"));
}

#[test]
fn a_preset_file_is_found_beside_the_sweep_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("mine.toml"),
        crate::preset::built_in()[0].toml.replace("epochs = 2", "epochs = 9"),
    )
    .unwrap();
    let sweep = SweepFile::parse(&folder.path().join("sweep.toml"), "preset = \"mine.toml\"\nmetric = \"f1\"").unwrap();
    let expanded = ExpandedSweep::of(&sweep, &[], Path::new("/cache")).unwrap();
    let preset = &expanded.presets[0];
    assert_eq!((preset.name.as_str(), preset.train.epochs, preset.keep.best.as_deref()), ("mine", 9, Some("f1")));
    assert_eq!(expanded.plan.metric.as_deref(), Some("f1"));
}

#[test]
fn broken_files_are_refused_with_every_mistake_and_its_line() {
    for (text, expected) in [
        ("", "sweep.toml: preset is missing; name a preset or the path of one"),
        ("preset = ", "sweep.toml:1: "),
        ("preset = 3", "sweep.toml:1: preset is 3, expected a string"),
        ("presett = \"demo\"\npreset = \"demo\"", "sweep.toml:1: unknown key \"presett\"; did you mean \"preset\"?"),
        ("preset = \"demo\"\ntrain.epochs = 3", "sweep.toml:2: unknown key \"train\""),
        ("preset = \"demo\"\nmethod = \"sift\"", "sweep.toml:2: unknown key \"method\""),
        ("preset = \"demmo\"", "sweep.toml:1: no preset \"demmo\"; did you mean \"demo\"?"),
        ("preset = \"none.toml\"", "sweep.toml:1: none.toml: no such file"),
        (
            "preset = \"demo\"\nseeds = []",
            "sweep.toml:2: seeds is [], expected a list of whole numbers from 0, such as [1, 2, 3]",
        ),
        ("preset = \"demo\"\nseeds = [-1]", "sweep.toml:2: seeds is [-1], expected a list of whole numbers from 0"),
        ("preset = \"demo\"\nseeds = [1, 2, 1]", "sweep.toml:2: seeds has a number twice"),
        ("preset = \"demo\"\nmetric = true", "sweep.toml:2: metric is true, expected a string"),
        ("preset = \"demo\"\nset = 3", "sweep.toml:2: set is 3, expected a table of preset keys"),
        (
            "preset = \"demo\"\n[set]\ntrain.epoch = 3",
            "sweep.toml:3: unknown key \"train.epoch\"; did you mean \"train.epochs\"?",
        ),
        (
            "preset = \"demo\"\n[set]\ntrain.epochs = 0",
            "sweep.toml:3: train.epochs is 0, expected a whole number from 1",
        ),
        ("preset = \"demo\"\n[set]\ntrain.seed = 1", "sweep.toml:3: train.seed is set by the sweep; use its key seeds"),
        (
            "preset = \"demo\"\n[set]\nkeep.best = \"f1\"",
            "sweep.toml:3: keep.best is set by the sweep; use its key metric",
        ),
        ("preset = \"demo\"\n[grid]", "sweep.toml:2: the grid is empty"),
        ("preset = \"demo\"\ngrid = 1", "sweep.toml:2: grid is 1, expected a table of preset keys, or several of them"),
        ("preset = \"demo\"\n[grid]\nsift.rate = 0.1", "sweep.toml:3: sift.rate of a grid needs a list of values"),
        ("preset = \"demo\"\n[grid]\nsift.rate = []", "sweep.toml:3: sift.rate of a grid needs a list of values"),
        (
            "preset = \"demo\"\n[grid]\nsift.rat = [0.1]",
            "sweep.toml:3: unknown key \"sift.rat\"; did you mean \"sift.rate\"?",
        ),
        (
            "preset = \"demo\"\n[grid]\nsift.rate = [0.1, 3]",
            "sweep.toml:3: sift.rate is 3, expected a number above 0 and at most 1",
        ),
        ("preset = \"demo\"\n[grid]\nname = \"x\"\nsift.rate = [0.1]", "sweep.toml:3: only a [[row]] has a name"),
        ("preset = \"demo\"\n[grid]\nsift.rate = [0.1, 0.1]", "sweep.toml:3: another row is named \"rate=0.1\" too"),
        (
            "preset = \"demo\"\n[[row]]\nname = \"a\"\n[[row]]\nname = \"a\"",
            "sweep.toml:5: another row is named \"a\" too; give it a name of its own",
        ),
        ("preset = \"demo\"\n[[row]]\nname = 3", "sweep.toml:3: name is 3, expected a string"),
        (
            "preset = \"demo\"\n[[row]]\nsift.select = \"best\"",
            "sweep.toml:3: sift.select is \"best\", expected gradient,",
        ),
        (
            "preset = \"demo\"\n[[row]]\nsift.select = \"fisher\"",
            "sweep.toml:3: sift.select: is \"fisher\", which needs",
        ),
        (
            "preset = \"demo\"\n[[row]]\ntune = 3",
            "sweep.toml:3: tune is 3, expected a list of values of train.learning_rate",
        ),
        ("preset = \"demo\"\n[[row]]\ntune = [1, 1]", "sweep.toml:3: tune has a value twice"),
        (
            "preset = \"demo\"\n[[row]]\ntune = [-1]",
            "sweep.toml:3: train.learning_rate is -1, expected a number of at least 0",
        ),
        (
            "preset = \"demo\"\n[[row]]\ntrain.learning_rate = 1\ntune = [1]",
            "sweep.toml:4: the row sets train.learning_rate itself; remove one of them",
        ),
        ("preset = \"demo\"\ntune = 3", "sweep.toml:2: tune is 3, expected a table with key, values and seeds"),
        (
            "preset = \"demo\"\n[tune]\nvalue = [1]",
            "sweep.toml:3: unknown key \"tune.value\"; did you mean \"values\"?",
        ),
        ("preset = \"demo\"\n[tune]\nkey = \"train.lr\"\nvalues = [1]", "sweep.toml:2: unknown key \"train.lr\""),
        ("preset = \"demo\"\n[tune]\nseeds = [1.5]", "sweep.toml:3: seeds is [1.5], expected a list of whole numbers"),
    ] {
        let error = expand(text, &[]).err().unwrap_or_else(|| panic!("{text:?} is read")).0;
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
    let error = parse("preset = 1\nseeds = 2\n[grid]\nx = 1\n[[row]]\ny = 2\n").unwrap_err().0;
    let lines: Vec<&str> = error.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(lines, ["sweep.toml:1", "sweep.toml:2", "sweep.toml:4", "sweep.toml:4", "sweep.toml:6"]);
    let many = "preset = \"demo\"\n[grid]\ntrain.epochs = [0, 1]\n[[row]]\nsift.rate = 2\n[[row]]\nsift.rate = 3\n";
    assert_eq!(expand(many, &[]).map(|_| ()).unwrap_err().0.lines().count(), 3);
    let huge: String = ["sift.rate", "sift.decay", "train.clip", "train.warmup"]
        .map(|key| format!("{key} = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]\n"))
        .concat();
    let error = parse(&format!("preset = \"demo\"\n[grid]\n{huge}")).unwrap_err().0;
    assert_eq!(error, "sweep.toml:3: the grid has more than 1000 combinations");
}

#[test]
fn what_a_sweep_varies_cannot_be_overridden() {
    for (set, expected) in [
        ("sift.rate=0.5", "--set sift.rate: the sweep varies it (sweep.toml:9)"),
        ("train.seed=3", "--set train.seed: the sweep sets it; change its key seeds"),
        ("keep.best=loss", "--set keep.best: the sweep sets it; change its key metric"),
        ("train.epoch=3", "--set: unknown key \"train.epoch\"; did you mean \"train.epochs\"?"),
        ("train.epochs", "--set train.epochs: expected key=value"),
        ("train.epochs=0", "--set: train.epochs is 0, expected"),
    ] {
        let error = expand(GRID, &[set]).map(|_| ()).unwrap_err().0;
        assert!(error.starts_with(expected), "{set}: {error}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,80}") {
        let _ = parse(&text);
        let _ = parse(&format!("preset = \"demo\"\n[grid]\n{text}"));
        let _ = parse(&format!("preset = \"demo\"\n[[row]]\n{text}"));
    }

    #[test]
    fn keys_in_quotes_and_without_are_the_same(rates in prop::collection::btree_set(1u32..999, 1..5)) {
        let values: Vec<String> = rates.iter().map(|rate| format!("0.{rate:03}")).collect();
        let with = |key: &str| format!("preset = \"demo\"\n[grid]\n{key} = [{}]\n", values.join(", "));
        let plain = expand(&with("sift.rate"), &[]).unwrap().plan;
        prop_assert_eq!(&expand(&with("\"sift.rate\""), &[]).unwrap().plan, &plain);
        prop_assert_eq!(plain.rows.len(), rates.len());
        prop_assert_eq!(plain.runs.len(), rates.len());
    }
}

#[test]
fn the_sweeps_of_this_repository_expand() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("presets/sweeps");
    let mut rows = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = SweepFile::parse(&path, &std::fs::read_to_string(&path).unwrap()).unwrap();
        let ExpandedSweep { plan, .. } = ExpandedSweep::of(&file, &[], Path::new("/cache")).unwrap();
        rows.push((path.file_name().unwrap().to_string_lossy().into_owned(), plan.rows.len()));
    }
    rows.sort();
    let expected = [
        ("alpaca-llama-7b.toml", 7),
        ("cola-minilm.toml", 6),
        ("mrpc-minilm.toml", 25),
        ("mrpc-rates.toml", 21),
        ("mrpc-roberta-large.toml", 16),
        ("rte-minilm.toml", 6),
        ("sst2-minilm.toml", 6),
    ];
    assert_eq!(rows, expected.map(|(name, rows)| (name.to_owned(), rows)));
}
