"""The Java parts, fetched from Maven Central once, checked against `jars.sha256`, kept in the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.paths import cache_dir

CHECKSUMS = Path(__file__).with_name("jars.sha256")
RESOLVE_SECONDS = 600
SYSTEM_STORES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Bundle:
    """A program from Maven Central with everything it depends on."""

    name: str
    coordinate: str
    logger: str

    @property
    def folder_name(self) -> str:
        """Name of its folder in the cache: a new version is a new folder."""
        return f"{self.name}-{self.coordinate.rsplit(':', 1)[1]}"


# Neither brings a logger along; slf4j-simple of its slf4j's version writes to stderr.
KAFKA = Bundle("kafka", "org.apache.kafka:kafka_2.13:4.1.0", "org.slf4j:slf4j-simple:1.7.36")
MONGO = Bundle("mongo-server", "de.bwaldvogel:mongo-java-server-h2-backend:1.47.0", "org.slf4j:slf4j-simple:2.0.17")

LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.showThreadName=false",
    "-Dorg.slf4j.simpleLogger.showShortLogName=true",
)
"""Java options: warnings and errors only, a line each, on stderr."""


def quiet(_: str) -> None:
    """Say nothing."""


def jars_of(bundle: Bundle, say: Say = quiet) -> Path:
    """Return the folder that holds all jars of a bundle, fetching them if they are not in the cache.

    Raises:
        StackError: nothing could be fetched, or a jar is not the one this project was checked with.
    """
    target = cache_dir() / "jars" / bundle.folder_name
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as scratch:
        fetched = _fetch(bundle, Path(scratch), say)
        _check(bundle, fetched)
        try:
            fetched.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    return target


def _fetch(bundle: Bundle, scratch: Path, say: Say) -> Path:
    command = [sys.executable, "-m", "jgo", "--resolver", "python", "--links", "copy", "--color", "plain"]
    command += ["--timeout", "60", "--cache-dir", str(scratch / "env"), "--repo-cache", str(scratch / "repository")]
    log = scratch / "jgo.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "info", "classpath", f"{bundle.coordinate}+{bundle.logger}"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_trusting_the_system(),
        )
        status = _watch(process, bundle, scratch / "repository", say)
    jars = [*(scratch / "env").rglob("jars/*.jar"), *(scratch / "env").rglob("modules/*.jar")]
    if status != 0 or not jars:
        raise StackError(_cannot_fetch(bundle, log))
    folder = scratch / bundle.folder_name
    folder.mkdir()
    for jar in jars:
        shutil.move(jar, folder / jar.name)
    return folder


def _trusting_the_system() -> dict[str, str]:
    """The environment in which downloads trust the system's authorities: a company's own one is only there."""
    stores = (ssl.get_default_verify_paths().cafile, *SYSTEM_STORES)
    store = next((path for path in stores if path and Path(path).is_file()), None)
    return ({"REQUESTS_CA_BUNDLE": store} if store else {}) | os.environ


def _watch(process: subprocess.Popen[bytes], bundle: Bundle, repository: Path, say: Say) -> int:
    until = time.monotonic() + RESOLVE_SECONDS
    try:
        while time.monotonic() < until:
            try:
                return process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                count = sum(1 for _ in repository.rglob("*.jar"))
                say(f"downloading {bundle.folder_name} from Maven Central: {count} files")
        return 1
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _cannot_fetch(bundle: Bundle, log: Path) -> str:
    reason = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    variable = "KAFKA_URL" if bundle is KAFKA else "MONGO_URL"
    return (
        f"{bundle.folder_name} could not be fetched from Maven Central, and it is not in {cache_dir()}.\n"
        f"  last words of the download: {reason[-1][:300] if reason else 'none'}\n"
        "  It is fetched once. What helps: a network for the first run (HTTPS_PROXY is honoured), a copy of that\n"
        f"  folder from a machine that has it, or {variable} naming a server that runs already."
    )


def digests(folder: Path) -> dict[str, str]:
    """Return file name → SHA-256 in hex, for each jar of a folder."""
    return {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in sorted(folder.glob("*.jar"))}


def expected(bundle: Bundle) -> dict[str, str]:
    """Return what `jars.sha256` says about a bundle: file name → SHA-256 in hex."""
    wanted = {}
    for line in CHECKSUMS.read_text(encoding="ascii").splitlines():
        digest, path = line.split(maxsplit=1)
        folder, name = os.path.split(path)
        if folder == bundle.folder_name:
            wanted[name] = digest
    return wanted


def _check(bundle: Bundle, folder: Path) -> None:
    found, wanted = digests(folder), expected(bundle)
    wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    if wrong:
        raise StackError(
            f"{bundle.folder_name}: not the files this project was checked with: {', '.join(wrong[:5])}\n"
            f"  They were not kept. After a change of version on purpose, write {CHECKSUMS.name} anew with `make lock`."
        )


def write_checksums() -> None:
    """Fetch both bundles anew and write `jars.sha256` from what came."""
    lines = []
    for bundle in (KAFKA, MONGO):
        with tempfile.TemporaryDirectory(dir=cache_dir(), prefix=".lock-") as scratch:
            fetched = digests(_fetch(bundle, Path(scratch), quiet))
        lines += [f"{digest}  {bundle.folder_name}/{name}\n" for name, digest in fetched.items()]
    CHECKSUMS.write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    write_checksums()
