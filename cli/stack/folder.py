"""Where does a stack keep its things? In one folder, `.sluice/`: data, logs, ports, its key and its state."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["FOLDER_VARIABLE", "StackFolder", "find_folder", "own_folder"]

FOLDER_VARIABLE: Final = "SLUICE_DATA"
_NAME: Final = ".sluice"


@dataclass(frozen=True, slots=True)
class StackFolder:
    root: Path

    @property
    def owned(self) -> Path:
        """What belongs to a running stack; it holds the lock. The servers' data beside it has a lock of its own."""
        return self.root / "up"

    @property
    def lock(self) -> Path:
        return self.owned / "lock"

    @property
    def state(self) -> Path:
        return self.owned / "state.json"

    @property
    def ports(self) -> Path:
        return self.owned / "ports.json"

    @property
    def key(self) -> Path:
        """The API key of the generated configuration; kept, so that it survives a restart."""
        return self.root / "key"

    @property
    def admin_key(self) -> Path:
        """The admin key of the generated configuration."""
        return self.root / "admin-key"

    @property
    def config(self) -> Path:
        """The generated configuration, used while there is no `sluice.yaml`."""
        return self.root / "sluice.yaml"

    @property
    def simulator_config(self) -> Path:
        return self.owned / "simulator.json"

    @property
    def served(self) -> Path:
        """What the simulated provider served, a JSON line per call."""
        return self.root / "simulator-served.jsonl"

    @property
    def blobs(self) -> Path:
        """What is too large for a record."""
        return self.root / "blobs"

    @property
    def submissions(self) -> Path:
        """How far unfinished `sluice submit`s have come."""
        return self.root / "submissions"

    @property
    def logs(self) -> Path:
        """Of services and servers, one each."""
        return self.root / "logs"

    def log(self, service: str) -> Path:
        return self.logs / f"{service}.log"


def own_folder(environ: Mapping[str, str], cwd: Path) -> StackFolder:
    """The one SLUICE_DATA names, else the one right here: where `up` begins."""
    return StackFolder(cwd / (environ.get(FOLDER_VARIABLE) or _NAME))


def find_folder(environ: Mapping[str, str], cwd: Path) -> StackFolder:
    """As `own_folder`, but found from a folder further down too: for everything that asks a stack."""
    if FOLDER_VARIABLE not in environ:
        for place in (cwd, *cwd.parents):
            folder = StackFolder(place / _NAME)
            if folder.owned.is_dir():
                return folder
    return own_folder(environ, cwd)
