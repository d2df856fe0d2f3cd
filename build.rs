//! Sets the rpath: where the dynamic loader finds libtorch, so that the program starts from any folder without LD_LIBRARY_PATH.

use std::env;
use std::fs;

/// The versions of Python that PyTorch 2.11 has wheels for.
const PYTHONS: [&str; 7] = ["3.10", "3.11", "3.12", "3.13", "3.13t", "3.14", "3.14t"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // torch-sys resolves LIBTORCH, LIBTORCH_USE_PYTORCH or a system library.
    let Ok(libtorch) = env::var("DEP_TCH_LIBTORCH_LIB") else { return };
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
