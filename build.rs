//! Compiles what tch does not bind, and writes where libtorch lies into the program, so that it starts from any folder and
//! without LD_LIBRARY_PATH.

use std::env;
use std::fs;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // torch-sys knows which libtorch it took: of LIBTORCH, of a Python environment or of the system.
    let Ok(libtorch) = env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    compile_shim(Path::new(&libtorch));
    // `.libtorch` is a link in the source folder; the program should outlive both.
    let libtorch = fs::canonicalize(&libtorch).map_or(libtorch, |path| path.display().to_string());
    println!("cargo::rustc-link-arg=-Wl,-rpath,{libtorch}");
    // A copied program finds the libraries beside itself.
    let beside = if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "macos") { "@loader_path" } else { "$ORIGIN" };
    println!("cargo::rustc-link-arg=-Wl,-rpath,{beside}");
}

/// Compiles `src/device/shim.cpp` against the headers of the linked libtorch. They lie beside its libraries, in an unpacked
/// libtorch as in a Python environment, unless LIBTORCH_INCLUDE says otherwise.
#[cfg(feature = "torch")]
fn compile_shim(libtorch: &Path) {
    const SHIM: &str = "src/device/shim.cpp";
    for changed in ["LIBTORCH_INCLUDE", "LIBTORCH_CXX11_ABI"] {
        println!("cargo::rerun-if-env-changed={changed}");
    }
    println!("cargo::rerun-if-changed={SHIM}");
    let root = env::var_os("LIBTORCH_INCLUDE").map(Into::into);
    let root = root.unwrap_or_else(|| libtorch.join(".."));
    // The ABI of std::string that libtorch was built with: the new one, since PyTorch 2.7 in its wheels too.
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".into());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .include(root.join("include"))
        .warnings(false)
        .file(SHIM)
        .compile("finesift_shim");
}

#[cfg(not(feature = "torch"))]
fn compile_shim(_: &Path) {}
