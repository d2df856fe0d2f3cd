//! What is asked of the hub over HTTP: which files a repository has, and the files, resumed and checked.

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

use super::{OnProgress, Repository, is_commit, is_inside};
use crate::Usage;
use crate::protocol::Progress;

/// Progress is told this often: it goes into a file, and nobody reads faster.
const TELL: Duration = Duration::from_millis(250);

/// A repository at one commit.
pub(super) struct Remote<'p> {
    /// The commit that `main` was when it was asked for.
    pub(super) commit: String,
    /// Everything the repository has.
    pub(super) files: Vec<RemoteFile>,
    http: Http,
    id: String,
    folder: PathBuf,
    progress: OnProgress<'p>,
}

/// One file, as the hub lists it.
#[derive(Deserialize)]
pub(super) struct RemoteFile {
    #[serde(rename = "rfilename")]
    pub(super) name: String,
    size: Option<u64>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: Option<String>,
}

impl<'p> Remote<'p> {
    /// Asks the hub what a repository holds.
    pub(super) fn open(repository: &Repository, progress: OnProgress<'p>) -> Result<Remote<'p>> {
        #[derive(Deserialize)]
        struct Listing {
            sha: String,
            siblings: Vec<RemoteFile>,
        }
        let (hub, kind, id) = (repository.hub, repository.kind.plural(), repository.id);
        let space = if kind == "models" { String::new() } else { format!("{kind}/") };
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
            base: format!("{}/{space}{id}", hub.endpoint),
        };
        let url = format!("{}/api/{kind}/{id}/revision/main?blobs=true", hub.endpoint);
        let mut response = http.get(&url, 0)?;
        http.check(response.status(), id)?;
        let text = response.body_mut().read_to_string().with_context(|| format!("{url}: the answer broke off"))?;
        let Listing { sha, siblings } =
            serde_json::from_str(&text).with_context(|| format!("{url}: not an answer of a hub"))?;
        ensure!(is_commit(&sha), "{url}: {sha:?} is not a commit");
        // They become names of files here, and the hub's answer is not to be trusted with that.
        if let Some(file) = siblings.iter().find(|file| !is_inside(&file.name)) {
            bail!("{url}: lists a file {:?}, outside its folder", file.name);
        }
        debug!(id, commit = sha, files = siblings.len(), "repository listed");
        Ok(Remote { commit: sha, files: siblings, http, id: id.to_owned(), folder: repository.folder(), progress })
    }

    /// Brings the wanted files into the snapshot, and returns its folder. Files that are there stay.
    pub(super) fn fetch(&self, wanted: impl Fn(&str) -> bool) -> Result<PathBuf> {
        let snapshot = self.folder.join("snapshots").join(&self.commit);
        let files: Vec<&RemoteFile> = self.files.iter().filter(|file| wanted(&file.name)).collect();
        let meter = Meter {
            progress: self.progress,
            task: format!("downloading {}", self.id),
            settled: Cell::new(0),
            total: files.iter().map(|file| file.size.unwrap_or(0)).sum(),
            told: Cell::new(None),
        };
        for file in files {
            let target = snapshot.join(&file.name);
            if !target.exists() {
                self.download(file, &target, &meter).with_context(|| format!("{}: {}", self.id, file.name))?;
            }
            meter.settle(file.size.unwrap_or(0));
        }
        Ok(snapshot)
    }

    /// Receives a file beside the snapshot and moves it there when it is whole and right.
    fn download(&self, file: &RemoteFile, target: &Path, meter: &Meter) -> Result<()> {
        let partial = self.folder.join("partial").join(&self.commit).join(&file.name);
        for path in [&partial, target] {
            let folder = path.parent().context("a file without a folder")?;
            fs::create_dir_all(folder).with_context(|| format!("{}: cannot make the folder", folder.display()))?;
        }
        let mut output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&partial)
            .with_context(|| format!("{}: cannot write", partial.display()))?;
        // A second program may be at it: it waits here, and then finds the file in place.
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
                // A connection that brought something is worth another; one that did not is not.
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
        fs::rename(&partial, target).with_context(|| format!("{}: cannot move there", target.display()))
    }

    /// One request: appends to `output`, which holds the first `have` bytes.
    fn receive(&self, file: &RemoteFile, mut have: u64, output: &mut File, meter: &Meter) -> Result<()> {
        let url = format!("{}/resolve/{}/{}", self.http.base, self.commit, file.name);
        debug!(url, have, "requesting");
        let mut response = self.http.get(&url, have)?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            // The part is longer than the file and worth nothing.
            response = self.http.get(&url, 0)?;
        }
        self.http.check(response.status(), &self.id)?;
        if response.status() != StatusCode::PARTIAL_CONTENT || !starts_at(&response, have) {
            // A server without ranges sends all of it.
            output.set_len(0)?;
            have = 0;
        }
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = body.read(&mut buffer).context("the connection broke off; start again to go on from there")?;
            if count == 0 {
                return Ok(());
            }
            output.write_all(&buffer[..count]).context("cannot write; is the disk full?")?;
            have += count as u64;
            ensure!(file.size.is_none_or(|size| have <= size), "the hub sends more than the file it listed");
            meter.at(have);
        }
    }
}

struct Http {
    agent: Agent,
    token: Option<String>,
    /// What the addresses of the repository's files start with.
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
        request.call().with_context(|| format!("{url}: the hub cannot be reached"))
    }

    fn check(&self, status: StatusCode, id: &str) -> Result<()> {
        let token = if self.token.is_some() { "the token that is set may not read it" } else { "set HF_TOKEN" };
        match status.as_u16() {
            200..=299 => Ok(()),
            404 => bail!(Usage(format!("{id}: neither a folder here nor on the hub ({} is 404)", self.base))),
            401 | 403 => bail!(Usage(format!(
                "{id}: the hub has none of that name for you ({status}). Check the spelling; if it is private or \
                 gated, ask for access on its page; {token}"
            ))),
            429 => bail!("{id}: the hub asks to come back later ({status}); with HF_TOKEN set it allows more"),
            _ => bail!("{}: the hub answers {status}; try again later", self.base),
        }
    }
}

fn starts_at(response: &Response<Body>, have: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {have}-")))
}

/// Compares a received file with what the hub listed.
fn check(file: &RemoteFile, path: &Path) -> Result<()> {
    let length = fs::metadata(path)?.len();
    if let Some(size) = file.size {
        ensure!(length == size, "has {length} bytes instead of {size}; it was removed, start again");
    }
    let Some(expected) = file.lfs.as_ref().and_then(|lfs| lfs.sha256.as_deref()) else { return Ok(()) };
    let mut hash = Sha256::new();
    std::io::copy(&mut File::open(path)?, &mut hash)?;
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(found.eq_ignore_ascii_case(expected), "its sha256 is not the hub's; it was removed, start again");
    Ok(())
}

/// Counts the bytes of all files of a download together.
struct Meter<'p> {
    progress: OnProgress<'p>,
    task: String,
    /// Bytes of the files that are in place.
    settled: Cell<u64>,
    total: u64,
    told: Cell<Option<Instant>>,
}

impl Meter<'_> {
    /// The file under way has so many bytes.
    fn at(&self, bytes: u64) {
        if self.told.get().is_none_or(|told| told.elapsed() >= TELL) {
            self.told.set(Some(Instant::now()));
            self.tell(self.settled.get() + bytes);
        }
    }

    /// A file of so many bytes is in place.
    fn settle(&self, bytes: u64) {
        self.settled.set(self.settled.get() + bytes);
        self.tell(self.settled.get());
    }

    fn tell(&self, done: u64) {
        (self.progress)(Progress { task: self.task.clone(), done, total: self.total, unit: "bytes".into() });
    }
}
