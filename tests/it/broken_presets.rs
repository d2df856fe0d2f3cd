//! A broken preset is refused by `finesift plan`, Home and `finesift train` for the same reason and in the same words.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use finesift::Usage;
use finesift::device::DeviceChoice;
use finesift::estimate::{Destination, Roots, estimate};
use finesift::hub::Hub;
use finesift::preset::{Draft, Preset};
use finesift::runs::{RealDisk, RunFolder};
use finesift::session::Session;
use finesift::train::{Job, run};

use crate::place;
use crate::run::turn;
use crate::tiny::{self, Tiny};

/// A preset and a part of the message that refuses it.
struct Broken {
    name: &'static str,
    text: String,
    message: &'static str,
    /// Whether the binary is asked too, which takes longer.
    in_binary: bool,
}

/// Models and data of both kinds, and the caches of an offline machine.
struct Machine {
    encoder: Tiny,
    decoder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Machine {
        Machine { encoder: Tiny::new(0.0), decoder: tiny::chat() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.encoder.path(name)
    }

    fn hub(&self) -> Hub {
        Hub { endpoint: "http://127.0.0.1:9".into(), cache: self.path("hub"), token: None, offline: true }
    }

    fn cache(&self) -> PathBuf {
        self.path("xdg/finesift")
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        quoted(&self.path(name))
    }

    /// A preset for the encoder with one change.
    fn encoder(&self, from: &str, to: &str) -> String {
        let preset = self.encoder.preset("epochs = 1");
        assert!(preset.contains(from), "{from}");
        preset.replace(from, to)
    }

    /// A preset for the encoder with a method and one change.
    fn method(&self, method: &str, from: &str, to: &str) -> String {
        format!("method = \"{method}\"\n{}", self.encoder(from, to))
    }

    fn encoder_with_model(&self, model: &str) -> String {
        self.encoder(&quoted(&self.path("model")), model)
    }

    fn encoder_with_texts(&self, texts: &str) -> String {
        self.encoder(&quoted(&self.path("texts.csv")), texts)
    }

    /// A preset for the decoder with one change.
    fn decoder(&self, from: &str, to: &str) -> String {
        let path = |name: &str| quoted(&self.decoder.path().join(name));
        let preset = format!(
            "[model]\nid = {}\n[data]\nformat = \"prompt_completion\"\npath = {}\nmax_length = 64\n[sift]\nmodules = \
             [\"proj\"]\n[train]\nlearning_rate = 1e-3\nmax_steps = 2\n[keep]\ncheckpoints = 1\n",
            path("model"),
            path("rows.jsonl")
        );
        assert!(preset.contains(from), "{from}");
        preset.replace(from, to)
    }

    fn decoder_with_model(&self, model: &str) -> String {
        self.decoder(&quoted(&self.decoder.path().join("model")), model)
    }

    fn decoder_with_rows(&self, rows: &str) -> String {
        self.decoder(&quoted(&self.decoder.path().join("rows.jsonl")), rows)
    }

    /// A copy of a model's folder with one file changed; `None` removes it.
    fn model(&self, original: &Path, name: &str, file: &str, change: impl Fn(String) -> Option<String>) -> String {
        let folder = self.path(name);
        fs::create_dir(&folder).unwrap();
        for entry in fs::read_dir(original).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
        let text = String::from_utf8_lossy(&fs::read(folder.join(file)).unwrap()).into_owned();
        match change(text) {
            Some(text) => fs::write(folder.join(file), text).unwrap(),
            None => fs::remove_file(folder.join(file)).unwrap(),
        }
        quoted(&folder)
    }

    fn encoder_model(&self, name: &str, file: &str, change: impl Fn(String) -> Option<String>) -> String {
        self.encoder_with_model(&self.model(&self.path("model"), name, file, change))
    }

    fn decoder_model(&self, name: &str, file: &str, change: impl Fn(String) -> Option<String>) -> String {
        self.decoder_with_model(&self.model(&self.decoder.path().join("model"), name, file, change))
    }

    fn broken(&self) -> Vec<Broken> {
        let mut all = self.broken_keys();
        all.extend(self.broken_models());
        all.extend(self.broken_data());
        all
    }

    /// Mistakes that the TOML alone shows.
    fn broken_keys(&self) -> Vec<Broken> {
        let key = |name, from: &str, to: &str, message| refused(name, self.encoder(from, to), message);
        vec![
            key("unknown key", "rate =", "rat =", "unknown key \"sift.rat\"; did you mean \"sift.rate\"?").in_binary(),
            key("unknown section", "[sift]", "[shift]", "unknown key \"shift."),
            key("value out of range", "rate = 0.05", "rate = 5", "sift.rate is 5, expected a number above 0"),
            key("value of another type", "batch = 8", "batch = \"many\"", "train.batch is \"many\", expected"),
            key(
                "a batch of any size without the examples of a step",
                "batch = 8",
                "batch = \"auto\"",
                "train.batch: is \"auto\", which needs the examples of an optimizer step: set train.global_batch",
            )
            .in_binary(),
            key(
                "examples of a step that the batch does not divide",
                "batch = 8",
                "batch = 8\nglobal_batch = 12",
                "train.global_batch: 12 is not a multiple of train.batch = 8",
            ),
            key(
                "examples of a step in two ways",
                "batch = 8",
                "batch = 8\nglobal_batch = 16\naccumulate = 2",
                "train.accumulate: train.global_batch is given too, and decides it; remove one of them",
            ),
            key(
                "a step of auto examples",
                "batch = 8",
                "global_batch = \"auto\"",
                "train.global_batch is \"auto\", expected",
            ),
            key("batch of zero", "batch = 8", "batch = 0", "train.batch is 0, expected"),
            key("unknown offload", "batch = 8", "batch = 8\noffload = \"all\"", "train.offload is \"all\", expected"),
            key(
                "an offload without gradient checkpointing",
                "batch = 8",
                "batch = 8\noffload = \"weights\"\ngradient_checkpointing = false",
                "train.gradient_checkpointing: is false, but train.offload = \"weights\" goes with",
            ),
            key("unknown schedule", "batch = 8", "schedule = \"stairs\"", "train.schedule is \"stairs\", expected"),
            key("warm-up over the whole run", "batch = 8", "warmup = 1.5", "train.warmup is 1.5, expected"),
            key(
                "a rank of zero",
                "[sift]",
                "[sift]\nlift_rank = 0",
                "sift.lift_rank is 0, expected a whole number from 1",
            ),
            key(
                "empty blocks",
                "[sift]",
                "[sift]\nblock_size = 0",
                "sift.block_size is 0, expected a whole number from 1",
            ),
            key("fewer than no examples", "[data]", "[data]\nmax_examples = -1", "data.max_examples is -1, expected"),
            key(
                "predictions as a word",
                "every_minutes = 0",
                "predictions = \"yes\"",
                "keep.predictions is \"yes\", expected true or false",
            ),
            key("no learning rate", "learning_rate = 1e-3", "", "train.learning_rate is missing"),
            key("no model", "id =", "# id =", "model.id is missing"),
            key("not TOML", "[data]", "[data", "tiny.toml:"),
            key(
                "Fisher of one batch",
                "[sift]",
                "[sift]\nselect = \"fisher\"",
                "sift.select: is \"fisher\", which needs",
            ),
            key(
                "a global budget per row",
                "[sift]",
                "[sift]\nbudget = \"global\"\nstructure = \"per_row\"",
                "sift.budget: is \"global\", which sift.structure = \"per_row\" cannot have",
            ),
            key("unknown budget", "[sift]", "[sift]\nbudget = \"all\"", "sift.budget is \"all\", expected"),
            key("selecting again after -1 steps", "[sift]", "[sift]\nreselect_every = -1", "sift.reselect_every is -1"),
            key("packing for a classifier", "[sift]", "packing = true\n[sift]", "data.packing: "),
            key("unknown GLUE task", "path =", "task = \"mrcp\" #", "no GLUE task \"mrcp\"; did you mean \"mrpc\"?"),
            key("two held-out sets", "[sift]", "eval_path = \"a.csv\"\n[sift]", "data.eval_fraction: "),
            key("one class", "[\"no\", \"yes\"]", "[\"no\"]", "data.labels: "),
            key(
                "unknown method",
                "about =",
                "method = \"adapter\"\nabout =",
                "method is \"adapter\", expected sift, full, head",
            ),
            key("rank of zero", "[sift]", "[lora]\nr = 0\n[sift]", "lora.r is 0, expected"),
            key("no alpha", "[sift]", "[lora]\nalpha = 0\n[sift]", "lora.alpha is 0, expected a number above 0"),
            key("dropout of everything", "[sift]", "[lora]\ndropout = 1\n[sift]", "lora.dropout is 1, expected"),
            key(
                "targets that are no list",
                "[sift]",
                "[lora]\ntarget_modules = 3\n[sift]",
                "lora.target_modules is 3,",
            ),
            key("classes of a regression", "[sift]", "regression = true\n[sift]", "data.labels: "),
        ]
    }

    /// Mistakes that the model's folder shows.
    fn broken_models(&self) -> Vec<Broken> {
        let too_many = |text: String| Some(text.replacen("\"good\":", "\"far\":9000,\"extra\":9001,\"good\":", 1));
        // The tiny encoder has more embeddings than its tokenizer has tokens.
        let few_rows = |text: String| {
            let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
            config["vocab_size"] = 100.into();
            Some(config.to_string())
        };
        let key = |name, from: &str, to: &str, message| refused(name, self.encoder(from, to), message);
        vec![
            refused(
                "no such model",
                self.encoder_with_model("\"./no/such/model\""),
                "./no/such/model: no such folder",
            )
            .in_binary(),
            refused(
                "model not in the cache of an offline machine",
                self.encoder_with_model("\"org/model\""),
                "org/model is not in the cache, and HF_HUB_OFFLINE is set",
            )
            .in_binary(),
            refused(
                "demo model not downloaded",
                self.encoder_with_model("\"cache:demo/minilm\""),
                "demo/minilm: no such folder. Run `finesift download demo`",
            )
            .in_binary(),
            refused(
                "model without a tokenizer",
                self.encoder_model("no tokenizer", "tokenizer.json", |_| None),
                "no tokenizer.json; a model needs it",
            ),
            refused(
                "model without weights",
                self.encoder_model("no weights", "model.safetensors", |_| None),
                "no model.safetensors; a model needs it",
            ),
            refused(
                "model without a config",
                self.encoder_model("no config", "config.json", |_| None),
                "no config.json; a model needs it",
            ),
            refused(
                "damaged weights",
                self.encoder_model("damaged", "model.safetensors", |_| Some("not safetensors".into())),
                "damaged/model.safetensors: damaged or cut short",
            ),
            refused(
                "Git LFS pointer instead of weights",
                self.encoder_model("pointer", "model.safetensors", |_| {
                    Some("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1\n".into())
                }),
                "pointer/model.safetensors: a Git LFS pointer instead of the file; run `git lfs install` and `git lfs pull`",
            )
            .in_binary(),
            refused("pickled weights", self.pickled(), "pickled (pytorch_model.bin)").in_binary(),
            refused(
                "file instead of a folder",
                self.encoder_with_model(&quoted(&self.path("model/model.safetensors"))),
                "model.safetensors: a file; name the folder of the model",
            ),
            refused(
                "unknown revision",
                self.encoder_with_model("\"org/model@a b\""),
                "what follows @ is no revision",
            ),
            refused(
                "config.json that is not JSON",
                self.encoder_model("broken config", "config.json", |_| Some("{".into())),
                "broken config/config.json: ",
            )
            .in_binary(),
            refused(
                "unknown architecture",
                self.encoder_model("other config", "config.json", |text| Some(text.replace("\"bert\"", "\"bart\""))),
                "other config/config.json: ",
            ),
            refused(
                "tokenizer.json that is not JSON",
                self.encoder_model("broken tokenizer", "tokenizer.json", |_| Some("{".into())),
                "broken tokenizer/tokenizer.json: ",
            ),
            refused(
                "tokenizer larger than the encoder",
                self.encoder_model("few rows", "config.json", few_rows),
                "tokens, but the model has 100 embeddings",
            )
            .in_binary(),
            refused(
                "tokenizer larger than the decoder",
                self.decoder_model("foreign", "tokenizer.json", |text| {
                    too_many(text.replace("\"~\":", "\"good\":8999,\"~\":"))
                }),
                "but the model's vocab_size is 512",
            ),
            refused("no token that ends a text", self.no_end_of_text(), "unknown EOS token"),
            refused(
                "conversations without a chat template",
                self.decoder_model("no template", "tokenizer_config.json", |text| {
                    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
                    config.as_object_mut().unwrap().remove("chat_template");
                    Some(config.to_string())
                })
                .replace("prompt_completion", "messages"),
                "no chat template",
            ),
            refused(
                "encoder with data.format",
                self.encoder("eval_fraction = 0.25\nlabels = [\"no\", \"yes\"]", "format = \"alpaca\""),
                "is an encoder and cannot generate text",
            ),
            refused(
                "decoder without data.format",
                self.decoder("format = \"prompt_completion\"", ""),
                "is a language model and cannot train on labelled texts",
            ),
            key(
                "max_length beyond the positions",
                "max_length = 16",
                "max_length = 4000",
                "data.max_length is 4000, but",
            ),
            key("max_length without room", "max_length = 16", "max_length = 2", "max_length 2 leaves no room for text"),
            key("module that matches nothing", "\"query\"", "\"qurey\"", "sift.modules: \"qurey\" matches none"),
            key(
                "dense that matches nothing",
                "[\"classifier\"]",
                "[\"clasifier\"]",
                "sift.dense: \"clasifier\" matches",
            ),
            refused("head without a pattern", self.method("head", "dense = [\"classifier\"]", ""), "set it to the head, such as")
                .in_binary(),
            refused(
                "head of a language model",
                self.decoder("[model]", "method = \"head\"\n[model]"),
                "a language model has no classification head",
            ),
            refused(
                "adapters of layers that the model lacks",
                self.method("lora", "[keep]", "[lora]\ntarget_modules = [\"query\", \"valeu\"]\n[keep]"),
                "lora.target_modules: \"valeu\" matches none of the model's linear layers; did you mean one of value",
            )
            .in_binary(),
            refused(
                "adapter of an embedding",
                self.method("lora", "[keep]", "[lora]\ntarget_modules = [\"word_embeddings\"]\n[keep]"),
                "lora.target_modules: bert.embeddings.word_embeddings is no linear layer, and only linear layers have",
            ),
            refused(
                "adapter of a norm",
                self.method("lora", "[keep]", "[lora]\ntarget_modules = [\"LayerNorm\"]\n[keep]"),
                "LayerNorm is no linear layer",
            ),
            refused(
                "adapters by targets of which one is a tied embedding",
                self.decoder("modules = [\"proj\"]", "modules = [\"proj\", \"embed\"]").replace("[model]", "method = \"lora\"\n[model]"),
                "sift.modules: model.embed_tokens is no linear layer, and only linear layers have LoRA adapters; name linear",
            ),
            refused(
                "adapters by targets that the model lacks",
                self.method("lora", "\"query\"", "\"qurey\""),
                "sift.modules: \"qurey\" matches none of the model's linear layers; did you mean one of query",
            ),
            refused(
                "adapters of nothing",
                self.method("lora", "modules = [\"query\", \"key\", \"value\", \"attention.output.dense\"]\n", ""),
                "method = \"lora\": no linear layer gets an adapter; set lora.target_modules, or sift.modules",
            ),
            refused(
                "nothing to train",
                self.encoder(
                    "modules = [\"query\", \"key\", \"value\", \"attention.output.dense\"]\ndense = [\"classifier\"]",
                    "",
                ),
                "match no parameter, so there is nothing to train",
            ),
        ]
    }

    /// Mistakes that the data show.
    fn broken_data(&self) -> Vec<Broken> {
        let key = |name, from: &str, to: &str, message| refused(name, self.encoder(from, to), message);
        let texts = |name, text: &str, message| {
            refused(name, self.encoder_with_texts(&self.write(&format!("{name}.csv"), text)), message)
        };
        let found_labels = |preset: String| preset.replace("labels = [\"no\", \"yes\"]\n", "");
        let one_class = self.encoder_with_texts(&self.write("same.csv", "text,label\na,yes\nb,yes\nc,yes\nd,yes\n"));
        let glue = "eval_fraction = 0.25\nlabels = [\"no\", \"yes\"]\n";
        fs::create_dir(self.path("empty folder")).unwrap();
        vec![
            key("missing file", "texts.csv", "none.csv", "none.csv: no such file").in_binary(),
            key(
                "missing held-out file",
                "eval_fraction = 0.25",
                "eval_path = \"/none.csv\"",
                "/none.csv: no such file",
            ),
            key(
                "folder of several kinds of files",
                "/texts.csv",
                "",
                "has files of several kinds, .csv, .jsonl; name those to read, such as ",
            ),
            key("pattern without a match", "texts.csv", "*.tsv", "*.tsv: no file matches; "),
            texts("quote that never closes", "text,label\na,yes\n\"b,no\nc,no\n", ".csv:3: the quote that opens")
                .in_binary(),
            refused("unknown kind of file", self.encoder_with_texts(&self.write("texts.doc", "a")), "texts.doc: "),
            key("wrong column", "[sift]", "text = \"txt\"\n[sift]", "no column \"txt\"; did you mean \"text\"?"),
            key(
                "one column for text and label",
                "[sift]",
                "text = \"label\"\n[sift]",
                "column \"label\" is given twice",
            ),
            key(
                "class named twice",
                "[\"no\", \"yes\"]",
                "[\"no\", \"no\"]",
                "labels: \"no\" is empty, has spaces around it or is given twice",
            ),
            key("labels that are no numbers", "labels = [\"no\", \"yes\"]", "regression = true", "texts.csv:2: "),
            texts(
                "unknown label",
                "text,label\ngood,yes\nbad,perhaps\n",
                "label.csv:3: unknown label \"perhaps\"; expected one of no, yes",
            ),
            texts("empty file", "text,label\n", "empty file.csv: no training examples"),
            refused("a single class", found_labels(one_class), "every label is \"yes\""),
            key("held-out share of nothing", "0.25", "0.0001", "holds out none; set a larger data.eval_fraction"),
            key("unknown score", "[keep]", "[keep]\nbest = \"mcc\"", "keep.best is \"mcc\", but texts is scored by")
                .in_binary(),
            refused(
                "GLUE task in an empty folder",
                self.encoder_with_texts(&quoted(&self.path("empty folder"))).replace(glue, "task = \"rte\"\n"),
                "no files of RTE in",
            ),
            refused(
                "GLUE not in the cache of an offline machine",
                self.encoder(&format!("path = {}\n{glue}", quoted(&self.path("texts.csv"))), "task = \"rte\"\n"),
                "nyu-mll/glue is not in the cache, and HF_HUB_OFFLINE is set",
            ),
            refused(
                "instructions not in the cache of an offline machine",
                self.decoder("max_length", "hub = \"org/rows\"\nmax_length"),
                "org/rows is not in the cache, and HF_HUB_OFFLINE is set",
            ),
            refused(
                "unknown score of a GLUE task, before its data are downloaded",
                self.encoder(&format!("path = {}\n{glue}", quoted(&self.path("texts.csv"))), "task = \"rte\"\n")
                    .replace("[keep]", "[keep]\nbest = \"f2\""),
                "keep.best is \"f2\", but rte is scored by accuracy",
            ),
            refused(
                "score of a classifier for a language model",
                self.decoder("[keep]", "[keep]\nbest = \"accuracy\""),
                "keep.best is \"accuracy\", but a language model is scored by perplexity",
            ),
            refused("keys of another format", self.decoder("prompt_completion", "alpaca"), "rows.jsonl"),
            refused(
                "instructions without rows",
                self.decoder_with_rows(&self.write("none.jsonl", "")),
                "none.jsonl: no training examples",
            ),
            refused("prompts that are too long", self.long_prompts(), "every row was skipped, the prompt alone has ")
                .in_binary(),
        ]
    }

    /// No row has room for its answer.
    fn long_prompts(&self) -> String {
        let row = serde_json::json!({"messages": [
            {"role": "user", "content": "And ".repeat(300)},
            {"role": "assistant", "content": "Yes."},
        ]});
        let rows = self.write("answered.jsonl", &vec![row.to_string(); 20].join("\n"));
        self.decoder_with_rows(&rows).replace("prompt_completion", "messages")
    }

    /// A model whose weights are in PyTorch's own format.
    fn pickled(&self) -> String {
        let preset = self.encoder_model("pickled", "model.safetensors", |_| None);
        fs::write(self.path("pickled/pytorch_model.bin"), "").unwrap();
        preset
    }

    /// Neither config.json nor tokenizer_config.json names the token that ends a text.
    fn no_end_of_text(&self) -> String {
        let preset = self.decoder_model("endless", "tokenizer_config.json", |_| Some("{}".into()));
        let config = self.path("endless/config.json");
        let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
        json.as_object_mut().unwrap().remove("eos_token_id");
        fs::write(config, json.to_string()).unwrap();
        preset
    }

    /// What the estimate, as `plan` and Home ask for it, says of a preset.
    fn estimate(&self, preset: &Preset) -> Result<(), anyhow::Error> {
        let (hub, cache, runs) = (self.hub(), self.cache(), self.path("runs"));
        let roots = Roots { hub: &hub, cache: &cache, runs: &runs };
        let estimate = estimate(preset, Destination::Here(DeviceChoice::Cpu), 1, &roots)?;
        // Both show what is missing; without a model `plan` has nothing else to show.
        if estimate.missing.is_empty() { Ok(()) } else { Err(Usage(estimate.missing.join("; ")).into()) }
    }

    fn plan(&self, place: &str, text: &str) -> Result<(), anyhow::Error> {
        self.estimate(&Preset::parse("tiny", place, text, &[], &self.cache())?)
    }

    /// Home edits a draft, and asks for an estimate of it.
    fn home(&self, place: &str, text: &str) -> Result<(), anyhow::Error> {
        self.estimate(&Draft::new("tiny", place, text, &self.cache())?.preset()?)
    }

    fn train(&self, place: &str, text: &str) -> Result<(), anyhow::Error> {
        let preset = Preset::parse("tiny", place, text, &[], &self.cache())?;
        let folder = RunFolder::create(&self.path("runs"), None, "tiny", &preset.toml)?;
        let job = Job {
            preset,
            folder,
            device: DeviceChoice::Cpu,
            hub: self.hub(),
            cache: self.cache(),
            disk: Arc::new(RealDisk),
            resume: None,
            read_every: None,
            ranks: finesift::distributed::Ranks::Alone,
        };
        let mut session = Session::spawn(None, move |port| run(job, port))?;
        while session.blocking_next().is_some() {}
        session.join()
    }

    /// Exit code and stderr of the program on this machine.
    fn program(&self, command: &str, preset: &str) -> (Option<i32>, String) {
        let output = Command::new(place::program())
            .args([command, preset, "--device", "cpu"])
            .current_dir(self.path(""))
            .env("HF_HUB_OFFLINE", "1")
            .env("HF_HOME", self.path(""))
            .env("XDG_CACHE_HOME", self.path("xdg"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env_remove("FINESIFT_RUNS")
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Broken {
    fn in_binary(self) -> Broken {
        Broken { in_binary: true, ..self }
    }
}

fn refused(name: &'static str, text: String, message: &'static str) -> Broken {
    Broken { name, text, message, in_binary: false }
}

fn quoted(path: &Path) -> String {
    format!("{path:?}")
}

#[test]
fn plan_home_and_train_refuse_a_broken_preset_in_the_same_words() {
    let _turn = turn();
    let machine = Machine::new();
    let broken = machine.broken();
    assert!(broken.len() >= 30, "{}", broken.len());
    let place = machine.path("tiny.toml").display().to_string();
    let mut wrong = Vec::new();
    for Broken { name, text, message, in_binary } in &broken {
        let [plan, home, train] = [machine.plan(&place, text), machine.home(&place, text), machine.train(&place, text)]
            .map(|outcome| match outcome {
                Ok(()) => "accepted".to_owned(),
                Err(error) if error.is::<Usage>() => format!("{error:#}"),
                Err(error) => format!("exit code 1: {error:#}"),
            });
        if !train.contains(message) || plan != train || home != train {
            wrong.push(format!("{name}: expected {message}\n  plan:  {plan}\n  home:  {home}\n  train: {train}"));
        }
        if *in_binary {
            fs::write(&place, text).unwrap();
            for command in ["plan", "train"] {
                let (code, said) = machine.program(command, &place);
                if code != Some(2) || !said.contains(&format!("finesift: {train}\n")) {
                    wrong.push(format!("{name}: `finesift {command}` ended with {code:?}: {said}\n  train: {train}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), broken.len(), wrong.join("\n"));
}

/// The estimate reads the headers of the weights only: that a parameter is missing shows in training.
#[test]
fn train_alone_finds_weights_that_lack_a_parameter() {
    let _turn = turn();
    let machine = Machine::new();
    let place = machine.path("tiny.toml").display().to_string();
    let lacking = machine.encoder_with_model(&quoted(&machine.path("lacking")));
    fs::create_dir(machine.path("lacking")).unwrap();
    for file in ["config.json", "tokenizer.json"] {
        fs::copy(machine.path("model").join(file), machine.path("lacking").join(file)).unwrap();
    }
    let weights = fs::read(machine.path("model/model.safetensors")).unwrap();
    let all = safetensors::SafeTensors::deserialize(&weights).unwrap();
    let kept = all.tensors().into_iter().filter(|(name, _)| !name.contains("layer.1.output.dense"));
    fs::write(machine.path("lacking/model.safetensors"), safetensors::serialize(kept, None).unwrap()).unwrap();
    machine.plan(&place, &lacking).unwrap();
    machine.home(&place, &lacking).unwrap();
    let error = machine.train(&place, &lacking).unwrap_err();
    assert!(error.is::<Usage>() && error.to_string().contains("layer.1.output.dense"), "{error}");
}
