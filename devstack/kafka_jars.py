"""Where the jars of the pinned Kafka are, and that they are the very ones we pinned.

`kafka-jars.sha256` names every jar by its path in a Maven repository, in the form `sha256sum --check` reads. Nothing is
resolved at run time: each jar is fetched once by that path, checked, and only then moved into the cache. Every later
start checks all of them again (45 MB, 0.03 s) and asks no network.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from devstack.server import ServersUnavailable, Tell

PINS = Path(__file__).with_name("kafka-jars.sha256")
FETCHES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Pin:
    """One jar: its path in a Maven repository and what its bytes hash to."""

    path: str
    sha256: str

    @property
    def coordinate(self) -> tuple[str, str, str]:
        """Group, artifact, version."""
        *group, artifact, version, _ = self.path.split("/")
        return ".".join(group), artifact, version


def pins() -> tuple[Pin, ...]:
    lines = PINS.read_text().splitlines()
    return tuple(Pin(path, sha256) for sha256, path in (line.split() for line in lines))


def default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice"


def kafka_jars(cache: Path, tell: Tell, pinned: Sequence[Pin]) -> list[Path]:
    """The jars, checked, in the order they are pinned. Blocks, and downloads what is missing.

    May raise ServersUnavailable.
    """
    repository = cache / "kafka-jars"
    try:
        repository.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServersUnavailable(f"Kafka's jars cannot be kept in {cache}: {error.strerror}.") from error
    with (cache / "kafka-jars.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two stacks started at once fetch once
        wanted = [pin for pin in pinned if not _is_genuine(repository / pin.path, pin)]
        if wanted:
            tell(f"Downloading Kafka, once ({len(wanted)} jars of {len(pinned)}, 45 MB in all).")
            _fetch(wanted, repository)
    return [repository / pin.path for pin in pinned]


def _is_genuine(jar: Path, pin: Pin) -> bool:
    if not jar.exists():
        return False
    with jar.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == pin.sha256


def _fetch(wanted: list[Pin], repository: Path) -> None:
    with (
        tempfile.TemporaryDirectory(dir=repository, prefix=".fetch-") as folder,
        ThreadPoolExecutor(FETCHES_AT_ONCE) as pool,
    ):
        list(pool.map(lambda pin: _fetch_one(pin, Path(folder), repository / pin.path), wanted))


def _fetch_one(pin: Pin, folder: Path, jar: Path) -> None:
    from jgo.maven import MavenContext
    from requests import RequestException

    group, artifact, version = pin.coordinate
    try:
        fetched = MavenContext(repo_cache=folder).project(group, artifact).at_version(version).artifact().resolve()
    except (RequestException, RuntimeError) as error:
        raise ServersUnavailable(
            "Kafka's jars are not here yet and cannot be downloaded "
            f"({artifact} {version}: {type(error).__name__}); the first start needs the network, later ones do not."
        ) from error
    if not _is_genuine(fetched, pin):
        raise ServersUnavailable(
            f"The download of {artifact} {version} is not the jar that was pinned; it was not used."
        )
    jar.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(fetched, jar)
