//! HTTP requests to the hub: the listing of a repository, and downloads that are resumed and checked.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tracing::{debug, info, warn};
use ureq::config::RedirectAuthHeaders;
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

use super::cache::{Repository, RepositoryKind, Unreachable, is_inside};
use super::environment::OnProgress;
use super::id::is_commit;
use crate::Usage;
use crate::protocol::Progress;

/// Time between progress reports: each is an event in the run's log.
const REPORT_INTERVAL: Duration = Duration::from_millis(250);

/// A repository at one commit.
pub(super) struct Remote<'p> {
    /// The commit of the revision.
    pub(super) commit: String,
    /// All files of the repository.
    pub(super) files: Vec<RemoteFile>,
    http: Http,
    id: String,
    folder: PathBuf,
    progress: OnProgress<'p>,
}

/// A file in the hub's listing.
#[derive(Deserialize)]
pub(super) struct RemoteFile {
    #[serde(rename = "rfilename")]
    pub(super) name: String,
    size: Option<u64>,
    lfs: Option<LfsPointer>,
}

#[derive(Deserialize)]
struct LfsPointer {
    sha256: Option<String>,
}

impl<'p> Remote<'p> {
    /// Requests the listing of a repository.
    ///
    /// # Errors
    /// [`Usage`]: an unknown or gated repository. Otherwise a network failure. All say what to do.
    pub(super) fn open(repository: &Repository, progress: OnProgress<'p>) -> Result<Remote<'p>> {
        repository.with_hint(Remote::list(repository, progress))
    }

    /// As [`Remote::open`], with errors that say nothing of what to do.
    pub(super) fn list(repository: &Repository, progress: OnProgress<'p>) -> Result<Remote<'p>> {
        #[derive(Deserialize)]
        struct Listing {
            sha: String,
            siblings: Vec<RemoteFile>,
        }
        let (hub, kind, id) = (repository.hub, repository.kind.plural(), repository.id.text);
        let name = repository.id.name;
        let prefix = match repository.kind {
            RepositoryKind::Model => String::new(),
            RepositoryKind::Dataset => format!("{kind}/"),
        };
        let http = Http {
            agent: Agent::config_builder()
                .http_status_as_error(false)
                .redirect_auth_headers(RedirectAuthHeaders::SameHost)
                .timeout_connect(Some(Duration::from_secs(30)))
                .timeout_recv_response(Some(Duration::from_secs(60)))
                .user_agent(concat!("finesift/", env!("CARGO_PKG_VERSION")))
                .build()
                .into(),
            token: hub.token.clone(),
            base: format!("{}/{prefix}{name}", hub.endpoint),
        };
        // A revision is one part of the URL's path, whatever slashes it has.
        let revision = url_path(repository.id.revision).replace('/', "%2F");
        let url = format!("{}/api/{kind}/{name}/revision/{revision}?blobs=true", hub.endpoint);
        let mut response = http.get(&url, 0)?;
        let error_code = response.headers().get("x-error-code").and_then(|code| code.to_str().ok());
        if error_code == Some("RevisionNotFound") {
            bail!(Usage(format!("{id}: the repository has no branch, tag or commit {}", repository.id.revision)));
        }
        http.check(response.status(), id)?;
        let text = response
            .body_mut()
            .read_to_string()
            .with_context(|| format!("{url}: the response broke off; try again"))?;
        let Listing { sha, siblings } = serde_json::from_str(&text)
            .with_context(|| format!("{url}: not the response of a Hugging Face hub; check HF_ENDPOINT"))?;
        ensure!(is_commit(&sha), "{url}: {sha:?} is not a commit");
        // The names become paths here, so the hub's response must not be trusted.
        if let Some(file) = siblings.iter().find(|file| !is_inside(&file.name)) {
            bail!("{url}: the listing has a file {:?} outside its folder", file.name);
        }
        debug!(id, commit = sha, files = siblings.len(), "repository listed");
        Ok(Remote { commit: sha, files: siblings, http, id: id.to_owned(), folder: repository.folder(), progress })
    }

    /// Bytes of the `wanted` files that the snapshot lacks.
    ///
    /// # Errors
    /// The hub does not list the size of one of them.
    pub(super) fn size(&self, wanted: impl Fn(&str) -> bool) -> Result<u64> {
        let snapshot = self.folder.join("snapshots").join(&self.commit);
        let lacking = self.files.iter().filter(|file| wanted(&file.name) && !snapshot.join(&file.name).exists());
        lacking.map(|file| file.size.with_context(|| format!("{}: no size listed for {}", self.id, file.name))).sum()
    }

    /// The text of a small file, which is not kept.
    pub(super) fn text(&self, name: &str) -> Result<String> {
        let mut response = self.http.get(&self.url(name), 0)?;
        self.http.check(response.status(), &self.id)?;
        response.body_mut().read_to_string().with_context(|| format!("{}: {name}: the response broke off", self.id))
    }

    fn url(&self, name: &str) -> String {
        format!("{}/resolve/{}/{}", self.http.base, self.commit, url_path(name))
    }

    /// Downloads the `wanted` files into the snapshot, and returns its folder. Existing files are kept.
    pub(super) fn fetch(&self, wanted: impl Fn(&str) -> bool) -> Result<PathBuf> {
        let snapshot = self.folder.join("snapshots").join(&self.commit);
        let files: Vec<&RemoteFile> = self.files.iter().filter(|file| wanted(&file.name)).collect();
        let meter = DownloadMeter {
            progress: self.progress,
            task: format!("downloading {}", self.id),
            complete: Cell::new(0),
            total: files.iter().map(|file| file.size.unwrap_or(0)).sum(),
            last_report: Cell::new(None),
        };
        for file in files {
            let target = snapshot.join(&file.name);
            if !target.exists() {
                self.download(file, &target, &meter).with_context(|| format!("{}: {}", self.id, file.name))?;
            }
            meter.file_complete(file.size.unwrap_or(0));
        }
        Ok(snapshot)
    }

    /// Downloads a file beside the snapshot, and moves it there when it is complete and its checksum is right.
    fn download(&self, file: &RemoteFile, target: &Path, meter: &DownloadMeter) -> Result<()> {
        let partial = self.folder.join("partial").join(&self.commit).join(&file.name);
        for path in [&partial, target] {
            let folder = path.parent().context("the file has no parent folder")?;
            fs::create_dir_all(folder).with_context(|| format!("{}: cannot create the folder", folder.display()))?;
        }
        let mut output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&partial)
            .with_context(|| format!("{}: cannot write", partial.display()))?;
        // Another process may be downloading the same file: wait for it, and then find the file in the snapshot.
        output.lock().with_context(|| format!("{}: cannot lock", partial.display()))?;
        if target.exists() {
            debug!(id = self.id, file = file.name, "downloaded by another process");
            return Ok(());
        }
        info!(id = self.id, file = file.name, bytes = file.size, "downloading");
        loop {
            let have = output.metadata()?.len();
            if have > 0 && file.size == Some(have) {
                break;
            }
            match self.receive(file, have, &mut output, meter) {
                Ok(()) => break,
                // Reconnect as long as each connection makes progress.
                Err(error) if output.metadata()?.len() <= have || error.is::<Usage>() => return Err(error),
                Err(error) => warn!(id = self.id, file = file.name, error = format!("{error:#}"), "retrying"),
            }
        }
        if let Err(error) = check(file, &partial) {
            warn!(id = self.id, file = file.name, %error, "removed a damaged download");
            fs::remove_file(&partial).with_context(|| format!("{}: cannot remove", partial.display()))?;
            return Err(error);
        }
        info!(id = self.id, file = file.name, "downloaded");
        fs::rename(&partial, target).with_context(|| format!("{}: cannot move the download there", target.display()))
    }

    /// One request: appends to `output`, which holds the first `have` bytes of the file.
    fn receive(&self, file: &RemoteFile, mut have: u64, output: &mut File, meter: &DownloadMeter) -> Result<()> {
        let url = self.url(&file.name);
        debug!(url, have, "requesting");
        let mut response = self.http.get(&url, have)?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            // The partial file is longer than the file: start over.
            response = self.http.get(&url, 0)?;
        }
        self.http.check(response.status(), &self.id)?;
        if response.status() != StatusCode::PARTIAL_CONTENT || !starts_at(&response, have) {
            // A server without range requests sends the whole file.
            output.set_len(0)?;
            have = 0;
        }
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = body
                .read(&mut buffer)
                .context("the connection broke off; run the command again to continue the download")?;
            if count == 0 {
                return Ok(());
            }
            output.write_all(&buffer[..count]).context("cannot write; is the disk full?")?;
            have += count as u64;
            ensure!(file.size.is_none_or(|size| have <= size), "the hub sends more than the listed size of the file");
            meter.file_progress(have);
        }
    }
}

struct Http {
    agent: Agent,
    token: Option<String>,
    /// URL of the repository.
    base: String,
}

impl Http {
    fn get(&self, url: &str, from: u64) -> Result<Response<Body>> {
        let mut request = self.agent.get(url);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        Ok(request.call().map_err(|error| Unreachable {
            host: url.split('/').nth(2).unwrap_or(url).to_owned(),
            details: format!("{url}: {error}"),
        })?)
    }

    fn check(&self, status: StatusCode, id: &str) -> Result<()> {
        let token = if self.token.is_some() { "check that your token may read it" } else { "set HF_TOKEN" };
        match status.as_u16() {
            200..=299 => Ok(()),
            404 => bail!(Usage(format!(
                "{id}: no such folder, and no such repository on the hub; check the spelling (404: {})",
                self.base
            ))),
            401 | 403 => bail!(Usage(format!(
                "{id}: the hub denies access ({status}). Check the spelling; if the repository is private or gated, \
                 request access on its page; {token}"
            ))),
            429 => {
                bail!("{id}: the hub limits requests ({status}); try again later, or set HF_TOKEN for a higher limit")
            }
            _ => bail!("{}: the hub answers {status}; try again later", self.base),
        }
    }
}

/// A file's name as part of a URL.
fn url_path(name: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    name.bytes().map(|byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn starts_at(response: &Response<Body>, have: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {have}-")))
}

/// Checks size and SHA-256 of a download against the listing.
fn check(file: &RemoteFile, path: &Path) -> Result<()> {
    let length = fs::metadata(path)?.len();
    if let Some(size) = file.size {
        ensure!(
            length == size,
            "the download has {length} bytes instead of {size} and was removed; run the command again"
        );
    }
    let Some(expected) = file.lfs.as_ref().and_then(|lfs| lfs.sha256.as_deref()) else { return Ok(()) };
    let mut hash = Sha256::new();
    std::io::copy(&mut File::open(path)?, &mut hash)?;
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(
        found.eq_ignore_ascii_case(expected),
        "the download has the wrong sha256 and was removed; run the command again"
    );
    Ok(())
}

/// Reports the progress of a download of several files.
struct DownloadMeter<'p> {
    progress: OnProgress<'p>,
    task: String,
    /// Bytes of the complete files.
    complete: Cell<u64>,
    total: u64,
    last_report: Cell<Option<Instant>>,
}

impl DownloadMeter<'_> {
    /// The current file has this many bytes.
    fn file_progress(&self, bytes: u64) {
        if self.last_report.get().is_none_or(|last| last.elapsed() >= REPORT_INTERVAL) {
            self.last_report.set(Some(Instant::now()));
            self.report(self.complete.get() + bytes);
        }
    }

    /// A file of this many bytes is complete.
    fn file_complete(&self, bytes: u64) {
        self.complete.set(self.complete.get() + bytes);
        self.report(self.complete.get());
    }

    fn report(&self, done: u64) {
        (self.progress)(Progress { task: self.task.clone(), done, total: self.total, unit: "bytes".into() });
    }
}
