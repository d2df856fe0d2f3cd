//! NCCL's functions. The library is the one that libtorch uses, found at run time: no part of CUDA is needed to build.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use libloading::os::unix::Library as Loaded;

/// What the loader calls it. libtorch's CUDA library links it by this name.
const NAME: &str = "libnccl.so.2";

const UNIQUE_ID_BYTES: usize = 128;

/// What the ranks of a communicator have in common.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct UniqueId(pub [u8; UNIQUE_ID_BYTES]);

/// A communicator of NCCL's.
pub type Handle = *mut c_void;
/// A stream of CUDA's.
pub type RawStream = *mut c_void;

/// Its functions, by the names and types of nccl.h. An enum of C is an int: a library may know more values than a header.
pub struct Library {
    get_version: unsafe extern "C" fn(*mut c_int) -> c_int,
    get_unique_id: unsafe extern "C" fn(*mut UniqueId) -> c_int,
    init_rank: unsafe extern "C" fn(*mut Handle, c_int, UniqueId, c_int) -> c_int,
    pub all_reduce: unsafe extern "C" fn(*const c_void, *mut c_void, usize, c_int, c_int, Handle, RawStream) -> c_int,
    pub all_gather: unsafe extern "C" fn(*const c_void, *mut c_void, usize, c_int, Handle, RawStream) -> c_int,
    pub get_async_error: unsafe extern "C" fn(Handle, *mut c_int) -> c_int,
    pub abort: unsafe extern "C" fn(Handle) -> c_int,
    pub destroy: unsafe extern "C" fn(Handle) -> c_int,
    get_error_string: unsafe extern "C" fn(c_int) -> *const c_char,
    /// What went wrong in detail. Older libraries have none.
    get_last_error: Option<unsafe extern "C" fn(Handle) -> *const c_char>,
}

impl Library {
    /// Finds the library, once.
    ///
    /// # Errors
    /// The loader's message.
    pub fn load() -> Result<&'static Library, String> {
        static LIBRARY: OnceLock<Result<Library, String>> = OnceLock::new();
        LIBRARY.get_or_init(Library::find).as_ref().map_err(String::clone)
    }

    fn find() -> Result<Library, String> {
        // libtorch's CUDA library has brought it, or has it within. Where it has not, it may still lie beside the others.
        let process = Loaded::this();
        Library::of(&process).or_else(|_| {
            // SAFETY: loading runs the library's initializers, which have no conditions.
            let library = unsafe { Loaded::new(NAME) }.map_err(|error| error.to_string())?;
            let found = Library::of(&library)?;
            // It stays: its functions are kept.
            std::mem::forget(library);
            Ok(found)
        })
    }

    fn of(library: &Loaded) -> Result<Library, String> {
        /// # Safety
        /// `T` is the function's type.
        unsafe fn function<T: Copy>(library: &Loaded, name: &str) -> Result<T, String> {
            // SAFETY: as the caller promises.
            unsafe { library.get::<T>(name.as_bytes()) }.map(|symbol| *symbol).map_err(|error| error.to_string())
        }
        // SAFETY: the types are those of nccl.h, which have not changed since NCCL 2.4.
        unsafe {
            Ok(Library {
                get_version: function(library, "ncclGetVersion")?,
                get_unique_id: function(library, "ncclGetUniqueId")?,
                init_rank: function(library, "ncclCommInitRank")?,
                all_reduce: function(library, "ncclAllReduce")?,
                all_gather: function(library, "ncclAllGather")?,
                get_async_error: function(library, "ncclCommGetAsyncError")?,
                abort: function(library, "ncclCommAbort")?,
                destroy: function(library, "ncclCommDestroy")?,
                get_error_string: function(library, "ncclGetErrorString")?,
                get_last_error: function(library, "ncclGetLastError").ok(),
            })
        }
    }

    /// Its version, such as `2.28.9`.
    ///
    /// # Errors
    /// NCCL's message.
    pub fn version(&self) -> Result<String, String> {
        let mut code = 0;
        // SAFETY: the number outlives the call.
        self.succeeded(unsafe { (self.get_version)(&mut code) }, None)?;
        Ok(format!("{}.{}.{}", code / 10_000, code / 100 % 100, code % 100))
    }

    /// An identity for a communicator to come.
    ///
    /// # Errors
    /// NCCL's message: it finds no network interface, for example.
    pub fn unique_id(&self) -> Result<UniqueId, String> {
        let mut id = UniqueId([0; UNIQUE_ID_BYTES]);
        // SAFETY: the identity outlives the call.
        self.succeeded(unsafe { (self.get_unique_id)(&mut id) }, None)?;
        Ok(id)
    }

    /// Joins a communicator on this thread's GPU, once all ranks have.
    ///
    /// # Errors
    /// NCCL's message.
    pub fn join(&self, id: UniqueId, size: usize, rank: usize) -> Result<Handle, String> {
        let number = |number: usize| c_int::try_from(number).map_err(|_| format!("{number} ranks"));
        let (size, rank) = (number(size)?, number(rank)?);
        let mut handle = std::ptr::null_mut();
        // SAFETY: the handle outlives the call.
        self.succeeded(unsafe { (self.init_rank)(&mut handle, size, id, rank) }, None)?;
        Ok(handle)
    }

    /// An error that a communicator has met since, if any.
    pub fn async_error(&self, handle: Handle) -> Result<(), String> {
        let mut code = 0;
        // SAFETY: the communicator is alive, the number outlives the call.
        self.succeeded(unsafe { (self.get_async_error)(handle, &mut code) }, Some(handle))?;
        self.succeeded(code, Some(handle))
    }

    /// What a status says, of a call on this communicator.
    pub fn succeeded(&self, status: c_int, handle: Option<Handle>) -> Result<(), String> {
        const SUCCESS: c_int = 0;
        const IN_PROGRESS: c_int = 7;
        if status == SUCCESS || status == IN_PROGRESS {
            return Ok(());
        }
        // SAFETY: the function takes any number; its text is constant.
        let what = unsafe { text((self.get_error_string)(status)) };
        // SAFETY: the function takes a living communicator or none; its text is copied at once.
        let detail = self.get_last_error.map(|last| unsafe { text(last(handle.unwrap_or_default())) });
        Err(match detail.as_deref().map(str::trim) {
            Some(detail) if !detail.is_empty() => {
                format!("NCCL: {what}: {}", detail.lines().next().unwrap_or_default())
            }
            _ => format!("NCCL: {what}"),
        })
    }
}

/// # Safety
/// A text that ends in a zero byte, or null.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
