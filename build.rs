//! Writes where libtorch lies into the program, so that it starts from any folder and without LD_LIBRARY_PATH.

use std::env;
use std::fs;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // torch-sys knows which libtorch it took: of LIBTORCH, of a Python environment or of the system.
    let Ok(libtorch) = env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    // `.libtorch` is a link in the source folder; the program should outlive both.
    let libtorch = fs::canonicalize(&libtorch).map_or(libtorch, |path| path.display().to_string());
    println!("cargo::rustc-link-arg=-Wl,-rpath,{libtorch}");
    // A copied program finds the libraries beside itself.
    let beside = if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "macos") { "@loader_path" } else { "$ORIGIN" };
    println!("cargo::rustc-link-arg=-Wl,-rpath,{beside}");
}
