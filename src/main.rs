//! The program `finesift`.

/// Serves libtorch as well, which takes its tensors from `malloc`. Those of a step are of a few sizes, large, and gone when it
/// ends; glibc scatters them so that a third more memory is held than is in use.
#[cfg(all(feature = "torch", target_os = "linux"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Large tensors share the arenas of all others, and what a step frees waits a minute for the next step instead of going back to
/// the system at once: getting it again costs more than a tenth of a step. No tensor is shifted by a page for the sake of caches:
/// shifted ones leave holes that the next tensor of their size does not fit.
// SAFETY: the name and type are those that jemalloc looks for, a pointer to text that ends in a zero byte, and nothing else
// defines it.
#[cfg(all(feature = "torch", target_os = "linux"))]
#[unsafe(export_name = "malloc_conf")]
pub static MALLOC_CONF: &[u8; 64] = b"oversize_threshold:0,cache_oblivious:false,dirty_decay_ms:60000\0";

fn main() -> std::process::ExitCode {
    finesift::cli::main()
}
