"""Where the local stack keeps things: data, logs and keys in one folder, what was downloaded in the user's cache."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
DEFAULT_HOME = CHECKOUT / ".local"
CONTAINER_HOME = DEFAULT_HOME / "docker"


@dataclass(frozen=True)
class Home:
    """The folder of one stack (`.local` in the checkout, any folder in tests); its parts are made when first used."""

    root: Path

    def folder(self, name: str) -> Path:
        """Return a folder of the stack, made if it is not there."""
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def log(self, process: str) -> Path:
        """Return the log file of a process."""
        return self.folder("logs") / f"{process}.log"

    @property
    def ports_file(self) -> Path:
        """The ports chosen before, so that the next start has the same addresses."""
        return self.root / "ports.json"

    @property
    def stack_file(self) -> Path:
        """Addresses and file paths for people's scripts."""
        return self.root / "stack.json"

    @property
    def story_marker(self) -> Path:
        """Made once the story has been played to its end."""
        return self.root / "story.done"

    @property
    def databases(self) -> str:
        """A name as old as the stack's own Kafka: offsets kept in a store mean nothing on another Kafka."""
        file = self.folder("kafka") / "databases"
        if not file.is_file():
            file.write_text(secrets.token_hex(4))
        return file.read_text()

    @property
    def secrets(self) -> Path:
        """The folder of development keys, closed to other users of the machine."""
        path = self.folder("secrets")
        path.chmod(0o700)
        return path

    @property
    def socket(self) -> Path:
        """The supervisor's socket. AF_UNIX paths hold about 100 bytes, so it cannot lie in a deep checkout."""
        name = hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"musubi-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / f"{name}.sock"


def cache_dir() -> Path:
    """Return the folder for what is downloaded once: the user's cache where it can be written, else in `.local`."""
    wanted = os.environ.get("MUSUBI_CACHE") or os.environ.get("XDG_CACHE_HOME", "~/.cache") + "/musubi"
    for folder in (Path(wanted).expanduser(), DEFAULT_HOME / "cache"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise PermissionError(f"neither {wanted} nor {DEFAULT_HOME / 'cache'} can be written")
