//! Downloads from the hub: complete, checked, resumed, and with errors that say what to do.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use finesift::Usage;
use finesift::hub::{DatasetRequest, Hub, RequestedFiles, is_unreachable};
use finesift::protocol::Progress;

use crate::hub_server::{Answer, COMMIT, HubServer};

const FILES: &str = "org/model/resolve/0123456789abcdef0123456789abcdef01234567";

/// A file of one tensor, 200,000 bytes long.
fn weights() -> Vec<u8> {
    let bytes: Vec<u8> = (0..199_872u32).map(|i| (i % 251) as u8).collect();
    let file = safetensors(&bytes);
    assert_eq!(file.len(), 200_000);
    file
}

/// A safetensors file with a header of 120 bytes.
fn safetensors(bytes: &[u8]) -> Vec<u8> {
    let count = bytes.len();
    let header = serde_json::json!({"w": {"dtype": "U8", "shape": [count], "data_offsets": [0, count]}}).to_string();
    [&120u64.to_le_bytes(), format!("{header:<120}").as_bytes(), bytes].concat()
}

fn dataset<'a>(prefixes: &'a [&'a str]) -> DatasetRequest<'a> {
    DatasetRequest { id: "nyu-mll/glue", files: RequestedFiles::Named(prefixes), format_of: &|_| Some("any") }
}

fn model() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("config.json", b"{}".to_vec()),
        ("model.safetensors", weights()),
        ("pytorch_model.bin", b"pickle".to_vec()),
        ("tokenizer.json", b"{ }".to_vec()),
    ]
}

fn hub(endpoint: &str, cache: &Path) -> Hub {
    Hub { endpoint: endpoint.to_owned(), cache: cache.to_owned(), token: None, offline: false }
}

fn quiet(_: Progress) {}

fn snapshot(cache: &Path) -> std::path::PathBuf {
    cache.join("models--org--model/snapshots").join(COMMIT)
}

#[test]
fn the_size_of_a_download_is_known_before_it_and_nothing_is_downloaded() {
    let server = HubServer::start(HubServer::repository("models/org/model", "org/model", &model()));
    let cache = tempfile::tempdir().unwrap();
    let hub = hub(&server.endpoint, cache.path());
    assert_eq!(hub.model_size("org/model").unwrap(), 200_005, "as much as the download below");
    assert_eq!((server.requests().len(), fs::read_dir(cache.path()).unwrap().count()), (1, 0));
    // What is there already is no download.
    hub.model("org/model", &quiet).unwrap();
    assert_eq!(hub.model_size("org/model").unwrap(), 0);

    let shards = [
        ("config.json", b"{}".to_vec()),
        ("model-00001-of-00002.safetensors", vec![0; 30]),
        ("model-00002-of-00002.safetensors", vec![0; 20]),
        ("model.safetensors.index.json", vec![0; 7]),
        ("consolidated.safetensors", vec![0; 999]),
        ("tokenizer.json", b"{ }".to_vec()),
    ];
    let server = HubServer::start(HubServer::repository("models/org/large", "org/large", &shards));
    let hub = Hub { endpoint: server.endpoint.clone(), ..hub };
    assert_eq!(hub.model_size("org/large").unwrap(), 62);

    let files =
        [("mrpc/train.parquet", vec![0; 50]), ("mrpc/test.parquet", vec![0; 9]), ("cola/train.parquet", vec![0; 7])];
    let glue = "datasets/nyu-mll/glue";
    let server = HubServer::start(HubServer::repository(glue, glue, &files));
    let hub = Hub { endpoint: server.endpoint.clone(), ..hub };
    assert_eq!(hub.dataset_size(&dataset(&["mrpc/train"])).unwrap(), 50);

    let gone = Hub { endpoint: "http://127.0.0.1:1".into(), ..hub };
    assert!(is_unreachable(&gone.model_size("org/other").unwrap_err()));
}

#[test]
fn a_model_is_downloaded_once_with_token_and_progress() {
    let server = HubServer::start(HubServer::repository("models/org/model", "org/model", &model()));
    let cache = tempfile::tempdir().unwrap();
    let mut hub = hub(&server.endpoint, cache.path());
    hub.token = Some("secret".into());
    let reports = RefCell::new(Vec::new());
    let folder = hub.model("org/model", &|progress| reports.borrow_mut().push(progress)).unwrap();
    assert_eq!(folder, snapshot(cache.path()));
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights());
    assert!(!folder.join("pytorch_model.bin").exists());
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.ends_with("Bearer secret")), "{requests:?}");
    let last = reports.borrow().last().cloned().unwrap();
    assert_eq!((last.done, last.total, last.unit.as_str()), (200_005, 200_005, "bytes"));
    assert!(reports.borrow().is_sorted_by_key(|progress| progress.done));

    // The cached model needs no request.
    hub.offline = true;
    assert_eq!(hub.model("org/model", &quiet).unwrap(), folder);
    assert_eq!(server.requests().len(), requests.len());
}

#[test]
fn a_sharded_model_is_downloaded_with_the_shards_of_its_index() {
    let index =
        br#"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#;
    let mut files = model();
    files[1] = ("model-00001-of-00002.safetensors", safetensors(&[1; 10]));
    files.push(("model-00002-of-00002.safetensors", safetensors(&[2; 10])));
    files.push(("model.safetensors.index.json", index.to_vec()));
    let server = HubServer::start(HubServer::repository("models/org/model", "org/model", &files));
    let cache = tempfile::tempdir().unwrap();
    let folder = hub(&server.endpoint, cache.path()).model("org/model", &quiet).unwrap();
    assert_eq!(fs::read(folder.join("model-00002-of-00002.safetensors")).unwrap(), safetensors(&[2; 10]));
}

#[test]
fn the_token_is_not_sent_to_another_host_after_a_redirect() {
    let storage = HubServer::start([("/blob".to_owned(), Answer::File(weights()))].into());
    let mut answers = HubServer::repository("models/org/model", "org/model", &model());
    // localhost is another host than 127.0.0.1.
    let elsewhere = storage.endpoint.replace("127.0.0.1", "localhost");
    answers.insert(format!("/{FILES}/model.safetensors"), Answer::Redirect(format!("{elsewhere}/blob")));
    let server = HubServer::start(answers);
    let cache = tempfile::tempdir().unwrap();
    let mut hub = hub(&server.endpoint, cache.path());
    hub.token = Some("secret".into());
    let folder = hub.model("org/model", &quiet).unwrap();
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights());
    assert_eq!(storage.requests(), ["/blob"]);
}

#[test]
fn a_broken_download_is_continued_by_a_range_request() {
    let mut answers = HubServer::repository("models/org/model", "org/model", &model());
    answers.insert(format!("/{FILES}/model.safetensors"), Answer::Cut(weights(), 90_000));
    let server = HubServer::start(answers);
    let cache = tempfile::tempdir().unwrap();
    let folder = hub(&server.endpoint, cache.path()).model("org/model", &quiet).unwrap();
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights());
    let ranges: Vec<_> = server.requests().into_iter().filter(|request| request.contains("bytes=")).collect();
    assert_eq!(ranges.len(), 2, "{ranges:?}");
}

#[test]
fn a_partial_file_is_continued_if_the_server_supports_ranges_and_replaced_if_not() {
    for answer in [Answer::File(weights()), Answer::NoRanges(weights())] {
        let mut answers = HubServer::repository("models/org/model", "org/model", &model());
        answers.insert(format!("/{FILES}/model.safetensors"), answer);
        let server = HubServer::start(answers);
        let cache = tempfile::tempdir().unwrap();
        let partial = cache.path().join("models--org--model/partial").join(COMMIT);
        fs::create_dir_all(&partial).unwrap();
        fs::write(partial.join("model.safetensors"), &weights()[..50_000]).unwrap();
        let folder = hub(&server.endpoint, cache.path()).model("org/model", &quiet).unwrap();
        assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights());
        assert!(server.requests().iter().any(|request| request.ends_with("bytes=50000-")));
    }
}

#[test]
fn an_incomplete_or_corrupt_file_never_reaches_the_snapshot() {
    let mut corrupt = weights();
    corrupt[7] ^= 1;
    for (answer, message) in [
        (Answer::Cut(weights(), 0), "broke off"),
        (Answer::File(corrupt), "sha256"),
        (Answer::NoRanges([weights(), weights()].concat()), "more than the listed size"),
        (Answer::Status(503), "503"),
    ] {
        let mut answers = HubServer::repository("models/org/model", "org/model", &model());
        answers.insert(format!("/{FILES}/model.safetensors"), answer);
        let server = HubServer::start(answers);
        let cache = tempfile::tempdir().unwrap();
        let error = hub(&server.endpoint, cache.path()).model("org/model", &quiet).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains(message) && text.contains("model.safetensors"), "{text}");
        assert!(!snapshot(cache.path()).join("model.safetensors").exists());
        assert!(!cache.path().join("models--org--model/refs/main").exists());
    }
}

#[test]
fn mistakes_of_the_user_are_usage_errors_that_say_what_to_do() {
    let cache = tempfile::tempdir().unwrap();
    let refused =
        HubServer::start([("/api/models/org/model/revision/main?blobs=true".to_owned(), Answer::Status(401))].into());
    let nothing = HubServer::start([].into());
    let pickled = HubServer::start(HubServer::repository(
        "models/org/model",
        "org/model",
        &[("config.json", b"{}".to_vec()), ("pytorch_model.bin", vec![0])],
    ));
    for (server, message) in [(&refused, "HF_TOKEN"), (&nothing, "404"), (&pickled, "pickled")] {
        let error = hub(&server.endpoint, cache.path()).model("org/model", &quiet).unwrap_err();
        assert!(error.is::<Usage>() && format!("{error:#}").contains(message), "{error:#}");
    }
    let mut offline = hub("http://127.0.0.1:9", cache.path());
    offline.offline = true;
    let error = offline.model("org/model", &quiet).unwrap_err();
    assert!(error.is::<Usage>() && format!("{error:#}").contains("HF_HUB_OFFLINE"), "{error:#}");
    for id in ["../..", "/etc/no", "a/b/c", "a\nb"] {
        assert!(offline.model(id, &quiet).unwrap_err().is::<Usage>(), "{id:?}");
    }
    let error = offline.model(cache.path().to_str().unwrap(), &quiet).unwrap_err();
    assert!(error.is::<Usage>() && error.to_string().contains("config.json"), "{error:#}");
}

#[test]
fn without_a_network_the_error_names_the_cache_folder_to_copy() {
    let cache = tempfile::tempdir().unwrap();
    // Nothing listens on a port that was just released.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = hub(&format!("http://127.0.0.1:{port}"), cache.path()).model("org/model", &quiet).unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.starts_with("cannot reach 127.0.0.1:")
            && text.contains("(offline?)")
            && text.contains("models--org--model"),
        "{text}"
    );
}

#[test]
fn a_listing_with_files_outside_the_folder_is_rejected() {
    for name in ["../../escape", "/etc/passwd", "a\\..\\b"] {
        let files = [(name, vec![0]), ("config.json", b"{}".to_vec())];
        let server = HubServer::start(HubServer::repository("models/org/model", "org/model", &files));
        let cache = tempfile::tempdir().unwrap();
        let error = hub(&server.endpoint, cache.path()).model("org/model", &quiet).unwrap_err();
        assert!(format!("{error:#}").contains("outside its folder"), "{error:#}");
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_dataset_is_downloaded_with_all_shards_of_the_requested_splits() {
    let parts = ["train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001", "test-00000-of-00001"];
    let names = parts.map(|part| format!("mrpc/{part}.parquet"));
    let files: Vec<(&str, Vec<u8>)> = names.iter().map(|name| (name.as_str(), name.as_bytes().to_vec())).collect();
    let server = HubServer::start(HubServer::repository("datasets/nyu-mll/glue", "datasets/nyu-mll/glue", &files));
    let cache = tempfile::tempdir().unwrap();
    let mut hub = hub(&server.endpoint, cache.path());
    let prefixes = ["mrpc/train-", "mrpc/validation-"];
    let found = hub.dataset(&dataset(&prefixes), &quiet).unwrap();
    let folder = cache.path().join("datasets--nyu-mll--glue/snapshots").join(COMMIT);
    assert_eq!(found.train, [0, 1, 2].map(|i| folder.join(&names[i])));
    assert!(!folder.join(&names[3]).exists());
    hub.offline = true;
    assert_eq!(hub.dataset(&dataset(&prefixes), &quiet).unwrap(), found);
    hub.offline = false;
    let error = hub.dataset(&dataset(&["rte/train-"]), &quiet).unwrap_err();
    assert!(error.is::<Usage>() && error.to_string().contains("rte/train-*"), "{error:#}");
}

#[test]
fn a_model_at_a_revision_is_cached_under_its_commit_with_a_ref_of_its_own() {
    let answers = HubServer::repository_at("refs%2Fpr%2F1", "models/org/model", "org/model", &model());
    let server = HubServer::start(answers);
    let cache = tempfile::tempdir().unwrap();
    let mut hub = hub(&server.endpoint, cache.path());
    let folder = hub.model("org/model@refs/pr/1", &quiet).unwrap();
    assert_eq!(folder, snapshot(cache.path()));
    assert_eq!(hub.commit_of(&folder).as_deref(), Some(COMMIT));
    let refs = cache.path().join("models--org--model/refs");
    assert_eq!(fs::read_to_string(refs.join("refs/pr/1")).unwrap(), COMMIT);
    assert!(!refs.join("main").exists());
    // Offline the same revision is found, and the commit itself, but not another revision.
    hub.offline = true;
    assert_eq!(hub.model("org/model@refs/pr/1", &quiet).unwrap(), folder);
    assert_eq!(hub.model(&format!("org/model@{COMMIT}"), &quiet).unwrap(), folder);
    let error = hub.model("org/model", &quiet).unwrap_err();
    assert!(format!("{error:#}").contains("org/model is not in the cache"), "{error:#}");
    for revision in ["", "../x", "a b"] {
        let error = hub.model(&format!("org/model@{revision}"), &quiet).unwrap_err();
        assert!(error.is::<Usage>() && format!("{error:#}").contains("is no revision"), "{error:#}");
    }
}

#[test]
fn all_files_of_a_tokenizer_are_downloaded_and_code_and_other_weights_are_not() {
    let wanted = [
        "added_tokens.json",
        "additional_chat_templates/tool_use.jinja",
        "chat_template.json",
        "generation_config.json",
        "LICENSE",
        "special_tokens_map.json",
        "tokenizer.model",
        "tokenizer_config.json",
    ];
    let unwanted = ["README.md", "modeling_x.py", "onnx/model.onnx", "pytorch_model.bin"];
    let mut files = model();
    files.extend(wanted.iter().chain(&unwanted).map(|name| (*name, name.as_bytes().to_vec())));
    let server = HubServer::start(HubServer::repository("models/org/model", "org/model", &files));
    let cache = tempfile::tempdir().unwrap();
    let folder = hub(&server.endpoint, cache.path()).model("org/model", &quiet).unwrap();
    for name in wanted {
        assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), name);
    }
    for name in unwanted {
        assert!(!folder.join(name).exists(), "{name}");
    }
}

#[test]
fn a_repository_without_usable_weights_is_refused_with_what_to_do() {
    let config = br#"{"architectures": ["LlamaForCausalLM"]}"#.to_vec();
    let only =
        |name: &'static str| vec![("config.json", config.clone()), ("tokenizer.json", vec![b'{']), (name, vec![0])];
    let base = br#"{"base_model_name_or_path": "org/base"}"#.to_vec();
    for (files, said) in [
        (
            only("pytorch_model.bin"),
            "org/model: no model.safetensors: its only weights are pickled (pytorch_model.bin), which can run code when they \
             are loaded. If you trust their origin, convert them: python -c \"from transformers import LlamaForCausalLM, \
             AutoTokenizer; LlamaForCausalLM.from_pretrained('org/model').save_pretrained('model', safe_serialization=True); \
             AutoTokenizer.from_pretrained('org/model').save_pretrained('model')\", and set model.id = \"./model\"; or see \
             whether a pull request on its page has converted them, and set model.id = \"org/model@refs/pr/NUMBER\"",
        ),
        (only("model-q4.gguf"), "org/model: no model.safetensors: its only weights are a GGUF file"),
        (only("tf_model.h5"), "of TensorFlow"),
        (
            vec![("adapter_config.json", base), ("adapter_model.safetensors", vec![0])],
            "org/model: an adapter of org/base",
        ),
        (vec![("README.md", vec![0])], "org/model: no config.json; a model needs it"),
        (
            vec![("config.json", config.clone()), ("tokenizer.model", vec![0]), ("model.safetensors", weights())],
            "its only tokenizer is tokenizer.model, of SentencePiece",
        ),
    ] {
        let server = HubServer::start(HubServer::repository("models/org/model", "org/model", &files));
        let cache = tempfile::tempdir().unwrap();
        let error = hub(&server.endpoint, cache.path()).model("org/model", &quiet).unwrap_err();
        assert!(error.is::<Usage>() && format!("{error:#}").contains(said), "{error:#}");
    }
}

#[test]
fn offline_the_missing_files_of_a_model_are_named() {
    let server = HubServer::start(HubServer::repository("models/org/model", "org/model", &model()));
    let cache = tempfile::tempdir().unwrap();
    let mut hub = hub(&server.endpoint, cache.path());
    let folder = hub.model("org/model", &quiet).unwrap();
    fs::remove_file(folder.join("model.safetensors")).unwrap();
    hub.offline = true;
    let error = hub.model("org/model", &quiet).unwrap_err();
    assert!(
        format!("{error:#}").starts_with("org/model: the cache lacks model.safetensors, and HF_HUB_OFFLINE is set"),
        "{error:#}"
    );
    // A pointer in the cache is named as in a folder, and not taken for weights.
    fs::write(folder.join("model.safetensors"), "version https://git-lfs.github.com/spec/v1\n").unwrap();
    let error = hub.model("org/model", &quiet).unwrap_err();
    assert!(error.is::<Usage>() && format!("{error:#}").contains("a Git LFS pointer"), "{error:#}");
}

#[test]
fn a_renamed_repository_is_followed() {
    let mut answers = HubServer::repository("models/org/model", "org/model", &model());
    answers.insert(
        "/api/models/old/name/revision/main?blobs=true".into(),
        Answer::Redirect("/api/models/org/model/revision/main?blobs=true".into()),
    );
    for (name, _) in model() {
        let path = format!("resolve/{COMMIT}/{name}");
        answers.insert(format!("/old/name/{path}"), Answer::Redirect(format!("/org/model/{path}")));
    }
    let server = HubServer::start(answers);
    let cache = tempfile::tempdir().unwrap();
    let folder = hub(&server.endpoint, cache.path()).model("old/name", &quiet).unwrap();
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights());
}
