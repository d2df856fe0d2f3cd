//! A hub server on a local port for tests: answers from a table and records the requests. No test lives here.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails them by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The commit that `main` is.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A server that lives until the test binary ends.
pub struct HubServer {
    pub endpoint: String,
    /// Paths with the headers `authorization` and `range`, in order of arrival.
    recorded: Arc<Mutex<Vec<String>>>,
}

/// The response for a path.
#[derive(Clone)]
pub enum Answer {
    /// The bytes; ranges are supported.
    File(Vec<u8>),
    /// The bytes, but each connection breaks after this many.
    Cut(Vec<u8>, usize),
    /// All bytes, whatever range is requested.
    NoRanges(Vec<u8>),
    /// A redirect to another URL.
    Redirect(String),
    /// A status without a body.
    Status(u16),
}

impl HubServer {
    pub fn start(answers: BTreeMap<String, Answer>) -> HubServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client may disconnect at any time.
                let _ = answer(stream, &answers, &seen);
            }
        });
        HubServer { endpoint, recorded: requests }
    }

    /// The responses of a repository: its listing and its files.
    pub fn repository(api: &str, files: &str, listed: &[(&str, Vec<u8>)]) -> BTreeMap<String, Answer> {
        HubServer::repository_at("main", api, files, listed)
    }

    /// As [`HubServer::repository`], with the listing of another revision, as it is in URLs.
    pub fn repository_at(
        revision: &str,
        api: &str,
        files: &str,
        listed: &[(&str, Vec<u8>)],
    ) -> BTreeMap<String, Answer> {
        let siblings: Vec<_> = listed
            .iter()
            .map(|(name, bytes)| serde_json::json!({"rfilename": name, "size": bytes.len(), "lfs": {"sha256": sha256(bytes)}}))
            .collect();
        let listing = serde_json::json!({"sha": COMMIT, "siblings": siblings}).to_string();
        let mut answers =
            BTreeMap::from([(format!("/api/{api}/revision/{revision}?blobs=true"), Answer::File(listing.into()))]);
        for (name, bytes) in listed {
            let name = name.replace(' ', "%20").replace('#', "%23");
            answers.insert(format!("/{files}/resolve/{COMMIT}/{name}"), Answer::File(bytes.clone()));
        }
        answers
    }

    pub fn requests(&self) -> Vec<String> {
        self.recorded.lock().unwrap().clone()
    }
}

fn answer(stream: TcpStream, answers: &BTreeMap<String, Answer>, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut request, mut start) = (path.clone(), 0);
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        let (name, value) = header.trim().split_once(": ").unwrap_or_default();
        if name.eq_ignore_ascii_case("authorization") || name.eq_ignore_ascii_case("range") {
            request += &format!(" {value}");
        }
        if let Some(range) = value.strip_prefix("bytes=") {
            start = range.trim_end_matches('-').parse().unwrap_or(0);
        }
    }
    seen.lock().unwrap().push(request);
    let mut stream = stream;
    match answers.get(&path).cloned().unwrap_or(Answer::Status(404)) {
        Answer::File(bytes) if start > bytes.len() => head(&mut stream, 416, 0, ""),
        Answer::File(bytes) => send(&mut stream, &bytes, start, bytes.len()),
        Answer::Cut(bytes, after) => send(&mut stream, &bytes, start, (start + after).min(bytes.len())),
        Answer::NoRanges(bytes) => send(&mut stream, &bytes, 0, bytes.len()),
        Answer::Redirect(to) => head(&mut stream, 302, 0, &format!("Location: {to}\r\n")),
        Answer::Status(status) => head(&mut stream, status, 0, ""),
    }
}

/// The bytes from `start` to `end`; the header promises all of them.
fn send(stream: &mut TcpStream, bytes: &[u8], start: usize, end: usize) -> std::io::Result<()> {
    let last = bytes.len().saturating_sub(1);
    if start > 0 {
        let range = format!("Content-Range: bytes {start}-{last}/{}\r\n", bytes.len());
        head(stream, 206, bytes.len() - start, &range)?;
    } else {
        head(stream, 200, bytes.len(), "")?;
    }
    stream.write_all(&bytes[start..end])
}

fn head(stream: &mut TcpStream, status: u16, length: usize, more: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n")
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
