//! The bounded channels between a front end and the thread that generates. A front end never waits; the thread waits for
//! one that does not read.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::mpsc;

use super::request::{ChatReply, ChatRequest};
use crate::panics::catch_panic;
use crate::protocol::Progress;

/// Requests that can wait. A front end sends the next one when the last is answered.
const REQUESTS: usize = 4;

/// Replies that can wait: some seconds of tokens.
const REPLIES: usize = 256;

/// A model on its thread, seen from the front end. Dropping it ends the thread after the current token.
pub struct ChatLink {
    requests: SyncSender<ChatRequest>,
    replies: mpsc::Receiver<ChatReply>,
    stopped: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

/// The thread's side.
pub struct ChatPort {
    requests: Receiver<ChatRequest>,
    replies: mpsc::Sender<ChatReply>,
    stopped: Arc<AtomicU64>,
}

impl ChatLink {
    /// Starts `serve` on a thread named `chat`. Its errors and panics become [`ChatReply::Closed`].
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn spawn(serve: impl FnOnce(&ChatPort) -> Result<()> + Send + 'static) -> io::Result<ChatLink> {
        let (requests, received) = sync_channel(REQUESTS);
        let (sender, replies) = mpsc::channel(REPLIES);
        let stopped = Arc::<AtomicU64>::default();
        let port = ChatPort { requests: received, replies: sender, stopped: stopped.clone() };
        let thread = Builder::new().name("chat".into()).spawn(move || {
            if let Err(error) = catch_panic(|| serve(&port)) {
                port.reply(ChatReply::Closed(format!("{error:#}")));
            }
        })?;
        Ok(ChatLink { requests, replies, stopped, thread })
    }

    /// Sends a request. `false` if the thread has ended or too many requests wait.
    pub fn send(&self, request: ChatRequest) -> bool {
        self.requests.try_send(request).is_ok()
    }

    /// Stops the completions of the requests up to this number, the waiting ones too.
    pub fn stop(&self, number: u64) {
        self.stopped.fetch_max(number + 1, Ordering::Relaxed);
    }

    /// The next reply; `None` once the thread has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<ChatReply> {
        self.replies.recv().await
    }

    /// The next reply, if there is one already.
    pub fn try_next(&mut self) -> Option<ChatReply> {
        self.replies.try_recv().ok()
    }

    /// Ends the thread, and waits for it as long as this: a computation must not outlive libtorch, but a download may.
    pub fn close(self, patience: Duration) {
        let ChatLink { requests, replies, stopped, thread } = self;
        stopped.store(u64::MAX, Ordering::Relaxed);
        drop((requests, replies));
        let start = Instant::now();
        while !thread.is_finished() && start.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl ChatPort {
    /// Waits for the next request; `None` once the front end is gone.
    pub fn next_request(&self) -> Option<ChatRequest> {
        self.requests.recv().ok()
    }

    /// Sends a reply. `false` once the front end is gone.
    pub fn reply(&self, reply: ChatReply) -> bool {
        self.replies.blocking_send(reply).is_ok()
    }

    /// Sends progress, unless the front end has not read what was sent before.
    pub fn progress(&self, progress: Progress) {
        let _ = self.replies.try_send(ChatReply::Loading(progress));
    }

    /// Whether the completion of this request is still wanted.
    pub fn is_wanted(&self, number: u64) -> bool {
        self.stopped.load(Ordering::Relaxed) <= number && !self.replies.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Rate, Settings, Weights};

    fn request(number: u64) -> ChatRequest {
        ChatRequest { number, weights: Weights::Base, messages: Vec::new(), settings: Settings::default() }
    }

    fn text(number: u64) -> ChatReply {
        ChatReply::Text { number, text: "x".into(), rate: Rate::default() }
    }

    #[test]
    fn a_stop_ends_the_requests_before_it_and_not_those_after() {
        let mut link = ChatLink::spawn(|port| {
            while let Some(request) = port.next_request() {
                // An endless completion, unless it is stopped.
                while port.is_wanted(request.number) {
                    port.reply(text(request.number));
                }
                port.reply(ChatReply::Failed { number: request.number, error: String::new() });
            }
            Ok(())
        })
        .unwrap();
        let mut until_end = |stop: Option<u64>| {
            let reply = link.replies.blocking_recv().unwrap();
            assert_eq!(reply, text(stop.unwrap_or(9)));
            reply
        };
        assert!(link.requests.try_send(request(3)).is_ok());
        until_end(Some(3));
        link.stop(3);
        while link.replies.blocking_recv() != Some(ChatReply::Failed { number: 3, error: String::new() }) {}
        assert!(link.send(request(4)));
        assert_eq!(link.replies.blocking_recv(), Some(text(4)), "a later request is not stopped");
        // The thread waits for a front end that does not read, and ends with it.
        let start = Instant::now();
        link.close(Duration::from_secs(60));
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn errors_and_panics_close_the_link() {
        for panics in [false, true] {
            let mut link =
                ChatLink::spawn(move |_| if panics { panic!("a bug") } else { anyhow::bail!("a bug") }).unwrap();
            let Some(ChatReply::Closed(error)) = link.replies.blocking_recv() else { panic!("not closed") };
            assert!(error.contains("a bug"), "{error}");
            assert_eq!(link.replies.blocking_recv(), None);
            assert!(link.try_next().is_none());
        }
    }
}
