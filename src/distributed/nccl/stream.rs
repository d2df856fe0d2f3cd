//! A stream of a GPU, and events that mark places in streams, by CUDA's driver.

use std::time::Duration;

use cudarc::driver::result::{DriverError, ctx, event, stream};
use cudarc::driver::sys;

use super::library::RawStream;
use crate::panics::catch;

/// A stream that runs beside libtorch's.
pub struct Stream(sys::CUstream);

// SAFETY: the driver's handles may be used by any thread.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}

/// A place in a stream.
pub struct Event(sys::CUevent);

// SAFETY: the driver's handles may be used by any thread.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

/// A GPU, as threads choose it.
#[derive(Clone, Copy)]
pub struct Context(sys::CUcontext);

// SAFETY: the driver's handles may be used by any thread.
unsafe impl Send for Context {}

impl Context {
    /// That of this thread.
    ///
    /// # Errors
    /// The driver's message: this thread has used no GPU.
    pub fn current() -> Result<Context, String> {
        // The crate panics where it finds no library.
        let context = catch(ctx::get_current).map_err(|panic| panic.0)?;
        context.map_err(message)?.map(Context).ok_or_else(|| "CUDA: this thread has used no GPU".to_owned())
    }

    /// Makes it that of this thread.
    ///
    /// # Errors
    /// The driver's message.
    pub fn enter(self) -> Result<(), String> {
        // SAFETY: libtorch keeps the context until the process ends.
        unsafe { ctx::set_current(self.0) }.map_err(message)
    }
}

impl Stream {
    /// On this thread's GPU.
    ///
    /// # Errors
    /// The driver's message.
    pub fn new() -> Result<Stream, String> {
        stream::create(stream::StreamKind::NonBlocking).map(Stream).map_err(message)
    }

    pub fn raw(&self) -> RawStream {
        self.0.cast()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: the stream was made by `new`, and nothing else destroys it.
        let _ = unsafe { stream::destroy(self.0) };
    }
}

impl Event {
    /// Behind all that a stream has been asked to do so far.
    ///
    /// # Errors
    /// The driver's message.
    pub fn on(stream: RawStream) -> Result<Event, String> {
        let marked = Event(event::create(sys::CUevent_flags::CU_EVENT_DEFAULT).map_err(message)?);
        // SAFETY: the event is alive, and so is the stream.
        unsafe { event::record(marked.0, stream.cast()) }.map_err(message)?;
        Ok(marked)
    }

    /// What the stream is asked to do from here on comes after this event.
    ///
    /// # Errors
    /// The driver's message.
    pub fn hold(&self, stream: RawStream) -> Result<(), String> {
        const FLAGS: sys::CUevent_wait_flags = sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
        // SAFETY: the event is alive, and so is the stream.
        unsafe { stream::wait_event(stream.cast(), self.0, FLAGS) }.map_err(message)
    }

    /// Whether its stream has come this far.
    ///
    /// # Errors
    /// The driver's message: something before it has failed.
    pub fn is_reached(&self) -> Result<bool, String> {
        // SAFETY: the event is alive.
        match unsafe { event::query(self.0) } {
            Ok(()) => Ok(true),
            Err(DriverError(sys::CUresult::CUDA_ERROR_NOT_READY)) => Ok(false),
            Err(error) => Err(message(error)),
        }
    }

    /// Blocks this thread until its stream has come this far.
    ///
    /// # Errors
    /// The driver's message: something before it has failed.
    pub fn wait(&self) -> Result<(), String> {
        // SAFETY: the event is alive.
        unsafe { event::synchronize(self.0) }.map_err(message)
    }

    /// The time from an earlier event to this one, both of them reached; none if it was not earlier.
    pub fn since(&self, earlier: &Event) -> Duration {
        // SAFETY: both events are alive.
        let milliseconds = unsafe { event::elapsed(earlier.0, self.0) }.unwrap_or(0.0);
        Duration::from_secs_f64(f64::from(milliseconds.max(0.0)) / 1e3)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event was made by `on`, and nothing else destroys it.
        let _ = unsafe { event::destroy(self.0) };
    }
}

fn message(error: DriverError) -> String {
    format!("CUDA: {error}")
}
