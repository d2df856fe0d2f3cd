//! Compiles what tch does not bind, and sets the rpath: where the dynamic loader finds libtorch, so that the program starts from
//! any folder without LD_LIBRARY_PATH.

use std::env;
use std::fs;
use std::path::Path;

/// The versions of Python that PyTorch 2.11 has wheels for.
const PYTHONS: [&str; 7] = ["3.10", "3.11", "3.12", "3.13", "3.13t", "3.14", "3.14t"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // torch-sys resolves LIBTORCH, LIBTORCH_USE_PYTORCH or a system library.
    let Ok(libtorch) = env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    compile_shim(Path::new(&libtorch));
    compile_kernels();
    let macos = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "macos");
    let program = if macos { "@loader_path" } else { "$ORIGIN" };
    if env::var_os("CARGO_FEATURE_WHEEL").is_some() {
        // A wheel runs on other machines: no path of this one.
        python_environments(macos).for_each(|folder| rpath(&format!("{program}/../{folder}/torch/lib")));
    } else {
        // `.libtorch` is a link in the source folder, which may be removed.
        rpath(&fs::canonicalize(&libtorch).map_or(libtorch, |path| path.display().to_string()));
    }
    // A program that was copied together with its libraries.
    rpath(program);
}

/// Package folders, relative to the environment with `bin/finesift`: a virtual environment, one of uv, pipx or conda, or
/// the target of `pip install --user`. Fedora has `lib64`, Debian's Python `dist-packages`, `--user` on macOS `lib/python`.
fn python_environments(macos: bool) -> impl Iterator<Item = String> {
    let folders = if macos {
        vec!["lib/pythonX/site-packages"]
    } else {
        vec!["lib/pythonX/site-packages", "lib64/pythonX/site-packages", "lib/pythonX/dist-packages"]
    };
    let user = macos.then(|| "lib/python/site-packages".to_owned());
    let versioned = folders.into_iter().flat_map(|folder| PYTHONS.map(|python| folder.replace('X', python)));
    versioned.chain(user)
}

fn rpath(folder: &str) {
    println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
}

/// Compiles what is in C++ against the headers of the linked libtorch. They lie beside its libraries, in an unpacked
/// libtorch as in a Python environment, unless LIBTORCH_INCLUDE says otherwise.
#[cfg(feature = "torch")]
fn compile_shim(libtorch: &Path) {
    const SOURCES: [&str; 5] = [
        "src/device/autograd.cpp",
        "src/device/copies.cpp",
        "src/device/matmul/override.cpp",
        "src/device/shim.cpp",
        "src/distributed/c10d.cpp",
    ];
    const HEADERS: [&str; 2] = ["src/device/guarded.h", GLOO];
    // Declarations that c10d's headers need and libtorch does not ship.
    const GLOO: &str = "src/distributed/include";
    for changed in ["LIBTORCH_INCLUDE", "LIBTORCH_CXX11_ABI"] {
        println!("cargo::rerun-if-env-changed={changed}");
    }
    for changed in SOURCES.into_iter().chain(HEADERS) {
        println!("cargo::rerun-if-changed={changed}");
    }
    let root = env::var_os("LIBTORCH_INCLUDE").map(Into::into);
    let root = root.unwrap_or_else(|| libtorch.join(".."));
    // The ABI of std::string that libtorch was built with: the new one, since PyTorch 2.7 in its wheels too.
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".into());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .include(root.join("include"))
        .include(root.join("include/torch/csrc/api/include"))
        .include(GLOO)
        .warnings(false)
        .files(SOURCES)
        .compile("finesift_shim");
}

/// Compiles the kernels in CUDA C for the CPU.
#[cfg(feature = "torch")]
fn compile_kernels() {
    const SOURCES: [&str; 2] = ["src/model/fused/network.cu", "src/sift/fused/method.cu"];
    const HEADERS: &str = "src/kernels/cuda";
    for changed in SOURCES.into_iter().chain([HEADERS]) {
        println!("cargo::rerun-if-changed={changed}");
    }
    // A product and a sum are rounded one after the other, as by NVRTC with its own option. Without -O3 they take several times as
    // long, in tests too.
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(3)
        .flag("-ffp-contract=off")
        .flag("-fno-math-errno")
        .flag("-x")
        .flag("c++")
        .include(HEADERS)
        .files(SOURCES)
        .compile("finesift_kernels");
}

#[cfg(not(feature = "torch"))]
fn compile_shim(_: &Path) {}

#[cfg(not(feature = "torch"))]
fn compile_kernels() {}
