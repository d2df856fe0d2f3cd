//! An export on a thread of its own. Dropping it cancels it, and waits until its files are removed.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use anyhow::{Context, Result};

use super::backend::Backend;
use crate::export::{CancelToken, ExportControl, ExportRequest};
use crate::panics::catch_panic;
use crate::protocol::Progress;

/// A running export.
pub(super) struct Exporting {
    stop: Arc<CancelToken>,
    /// `None` once it is joined.
    thread: Option<JoinHandle<()>>,
}

impl Exporting {
    /// Starts an export. `on_end` is called in any case.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        backend: Arc<dyn Backend>,
        order: ExportRequest,
        on_progress: impl Fn(Progress) + Send + 'static,
        on_end: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<Exporting> {
        let stop = Arc::new(CancelToken::default());
        let own = stop.clone();
        let work = move || {
            let control = ExportControl { on_progress: &on_progress, cancel: &own };
            on_end(catch_panic(|| backend.export(&order, control)));
        };
        let thread = Builder::new().name("export".into()).spawn(work).context("cannot export")?;
        Ok(Exporting { stop, thread: Some(thread) })
    }

    /// Cancels the export. `on_end` is called when it has ended.
    pub fn cancel(&self) {
        self.stop.cancel();
    }
}

impl Drop for Exporting {
    fn drop(&mut self) {
        // An export that has written nothing yet writes nothing any more, and need not be waited for.
        if let Some(thread) = self.thread.take().filter(|_| self.stop.cancel()) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use anyhow::bail;

    use super::*;
    use crate::estimate::Estimate;
    use crate::export::{Cancelled, ExportFormat};
    use crate::preset::Preset;
    use crate::ui::backend::Launched;

    /// Exports step by step, as a test says.
    struct Scripted {
        /// Whether it writes files.
        writes: bool,
        begun: Mutex<Sender<()>>,
        go_on: Mutex<Receiver<()>>,
        /// Notified when its files are removed.
        removed: Mutex<Sender<()>>,
    }

    impl Backend for Scripted {
        fn launch(&self, _: Preset, _: Option<&str>) -> Result<Launched> {
            bail!("not in this test")
        }

        fn resume(&self, _: &Path, _: &[String]) -> Result<Launched> {
            bail!("not in this test")
        }

        fn attach(&self, _: &Path) -> Result<Launched> {
            bail!("not in this test")
        }

        fn detach(&self, _: &Path) -> Result<()> {
            bail!("not in this test")
        }

        fn chat(&self, _: &Path) -> Result<crate::chat::ChatLink> {
            bail!("not in this test")
        }

        fn runs(&self) -> &Path {
            Path::new("runs")
        }

        fn cache(&self) -> &Path {
            Path::new("cache")
        }

        fn estimate(&self, _: &Preset) -> Result<Estimate> {
            bail!("not in this test")
        }

        fn export(&self, order: &ExportRequest, control: ExportControl) -> Result<()> {
            if order.without_biases {
                panic!("a bug");
            }
            if self.writes {
                control.cancel.begin()?;
            }
            self.begun.lock().unwrap().send(()).unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
            let outcome = control.cancel.check();
            self.removed.lock().unwrap().send(()).unwrap();
            Ok(outcome?)
        }
    }

    type Ends = (Receiver<()>, Sender<()>, Receiver<()>, Receiver<Result<()>>);

    fn start(writes: bool, panics: bool) -> (Exporting, Ends) {
        let ((begin, begun), (go, go_on), (remove, removed)) = (channel(), channel(), channel());
        let backend =
            Scripted { writes, begun: Mutex::new(begin), go_on: Mutex::new(go_on), removed: Mutex::new(remove) };
        let order = ExportRequest {
            run: "r".into(),
            format: ExportFormat::Merged,
            from: None,
            out: "o".into(),
            without_biases: panics,
        };
        let (end, ended) = channel();
        let ended_with = move |outcome| drop(end.send(outcome));
        let exporting = Exporting::start(Arc::new(backend), order, |_| {}, ended_with).unwrap();
        (exporting, (begun, go, removed, ended))
    }

    #[test]
    fn dropping_an_export_waits_until_its_files_are_removed() {
        let (exporting, (begun, go, removed, ended)) = start(true, false);
        begun.recv().unwrap();
        let leaving = std::thread::spawn(move || drop(exporting));
        go.send(()).unwrap();
        leaving.join().unwrap();
        removed.try_recv().unwrap();
        // It is cancelled or done just before; `on_end` is called in any case.
        ended.try_recv().unwrap().unwrap_or_else(|error| assert!(error.is::<Cancelled>()));
    }

    #[test]
    fn an_export_that_has_written_nothing_is_not_waited_for() {
        let (exporting, (begun, go, removed, ended)) = start(false, false);
        begun.recv().unwrap();
        drop(exporting);
        assert!(removed.try_recv().is_err(), "it is still reading");
        go.send(()).unwrap();
        assert!(ended.recv().unwrap().unwrap_err().is::<Cancelled>());
    }

    #[test]
    fn cancellation_and_panics_are_reported() {
        let (exporting, (begun, go, _removed, ended)) = start(true, false);
        begun.recv().unwrap();
        exporting.cancel();
        go.send(()).unwrap();
        assert!(ended.recv().unwrap().unwrap_err().is::<Cancelled>());
        let (_exporting, (_begun, _go, _removed, ended)) = start(true, true);
        assert!(ended.recv().unwrap().unwrap_err().to_string().contains("a bug"));
    }
}
