//! The program `finesift`.

#[cfg(all(feature = "torch", target_os = "linux"))]
mod jemalloc;

fn main() -> std::process::ExitCode {
    #[cfg(all(feature = "torch", target_os = "linux"))]
    jemalloc::tune();
    finesift::cli::main()
}
