//! The program `finesift`.

fn main() -> std::process::ExitCode {
    finesift::cli::main()
}
