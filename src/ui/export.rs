//! An export on a thread of its own. Dropping it calls it off, and waits until nothing of it is left.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use anyhow::{Context, Result};

use super::backend::Backend;
use crate::export::{CancelToken, ExportControl, ExportRequest};
use crate::panics::catch_panic;
use crate::protocol::Progress;

/// An export under way.
pub(super) struct Exporting {
    stop: Arc<CancelToken>,
    /// Until it is waited for.
    thread: Option<JoinHandle<()>>,
}

impl Exporting {
    /// Starts one. `ended` is told in any case.
    ///
    /// # Errors
    /// A system without threads to spare.
    pub fn start(
        backend: Arc<dyn Backend>,
        order: ExportRequest,
        told: impl Fn(Progress) + Send + 'static,
        ended: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<Exporting> {
        let stop = Arc::new(CancelToken::default());
        let own = stop.clone();
        let work = move || {
            let control = ExportControl { on_progress: &told, cancel: &own };
            ended(catch_panic(|| backend.export(&order, control)));
        };
        let thread = Builder::new().name("export".into()).spawn(work).context("cannot export")?;
        Ok(Exporting { stop, thread: Some(thread) })
    }

    /// Calls it off; it tells when it has ended.
    pub fn cancel(&self) {
        self.stop.cancel();
    }
}

impl Drop for Exporting {
    fn drop(&mut self) {
        // One that only reads, or fetches a model, writes nothing any more and need not be waited for.
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

    /// Exports as a test says, step by step.
    struct Told {
        /// Whether it writes.
        writes: bool,
        begun: Mutex<Sender<()>>,
        go_on: Mutex<Receiver<()>>,
        /// Told when nothing of it is left.
        removed: Mutex<Sender<()>>,
    }

    impl Backend for Told {
        fn launch(&self, _: Preset) -> Result<Launched> {
            bail!("there is none")
        }

        fn resume(&self, _: &Path) -> Result<Launched> {
            bail!("there is none")
        }

        fn attach(&self, _: &Path) -> Result<Launched> {
            bail!("there is none")
        }

        fn detach(&self, _: &Path) -> Result<()> {
            bail!("there is none")
        }

        fn runs(&self) -> &Path {
            Path::new("runs")
        }

        fn cache(&self) -> &Path {
            Path::new("cache")
        }

        fn estimate(&self, _: &Preset) -> Result<Estimate> {
            bail!("there is none")
        }

        fn export(&self, order: &ExportRequest, control: ExportControl) -> Result<()> {
            if order.without_biases {
                panic!("it lost its way");
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
        let told = Told { writes, begun: Mutex::new(begin), go_on: Mutex::new(go_on), removed: Mutex::new(remove) };
        let order = ExportRequest {
            run: "r".into(),
            format: ExportFormat::Merged,
            from: None,
            out: "o".into(),
            without_biases: panics,
        };
        let (end, ended) = channel();
        let ended_with = move |outcome| drop(end.send(outcome));
        let exporting = Exporting::start(Arc::new(told), order, |_| {}, ended_with).unwrap();
        (exporting, (begun, go, removed, ended))
    }

    #[test]
    fn whoever_leaves_waits_until_nothing_half_written_is_left() {
        let (exporting, (begun, go, removed, ended)) = start(true, false);
        begun.recv().unwrap();
        let leaving = std::thread::spawn(move || drop(exporting));
        go.send(()).unwrap();
        leaving.join().unwrap();
        removed.try_recv().unwrap();
        // Whether it was called off or done before is a matter of moments; it is told in any case.
        ended.try_recv().unwrap().unwrap_or_else(|error| assert!(error.is::<Cancelled>()));
    }

    #[test]
    fn one_that_writes_nothing_is_not_waited_for() {
        let (exporting, (begun, go, removed, ended)) = start(false, false);
        begun.recv().unwrap();
        drop(exporting);
        assert!(removed.try_recv().is_err(), "it still reads");
        go.send(()).unwrap();
        assert!(ended.recv().unwrap().unwrap_err().is::<Cancelled>());
    }

    #[test]
    fn it_is_called_off_and_a_panic_is_told() {
        let (exporting, (begun, go, _removed, ended)) = start(true, false);
        begun.recv().unwrap();
        exporting.cancel();
        go.send(()).unwrap();
        assert!(ended.recv().unwrap().unwrap_err().is::<Cancelled>());
        let (_exporting, (_begun, _go, _removed, ended)) = start(true, true);
        assert!(ended.recv().unwrap().unwrap_err().to_string().contains("it lost its way"));
    }
}
