"""PostgreSQL finds a place where its user can work, and nobody's permissions are changed for that."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from devstack import postgres_place
from devstack.leash import User
from devstack.postgres_place import may_enter, settle_for, unprivileged
from devstack.server import ServersUnavailable

STRANGER = User(os.getuid() + 4321, os.getgid() + 4321)
IGNORED = lambda _: None  # noqa: E731
OURSELVES = User(os.getuid(), os.getgid())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "stack"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def shelters(tmp_path: Path) -> Path:
    shelters = tmp_path / "shelters"
    shelters.mkdir()
    return shelters


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """An installation as a wheel brings it, in a folder only we may enter."""
    programs = tmp_path / "site-packages" / "package" / "pginstall" / "bin"
    programs.mkdir(parents=True)
    (programs / "postgres").write_text("a program")
    (programs / "postgres").chmod(0o700)
    (tmp_path / "site-packages" / "package.libs").mkdir()
    (tmp_path / "site-packages" / "package.libs" / "libpq.so").write_text("a library")
    (tmp_path / "site-packages").chmod(0o700)
    return programs


def permissions(*folders: Path) -> list[int]:
    return [stat.S_IMODE(step.stat().st_mode) for folder in folders for step in (folder, *folder.parents)]


def test_a_stranger_may_not_pass_through_a_private_folder(folder: Path) -> None:
    assert may_enter(folder, OURSELVES)
    assert not may_enter(folder, STRANGER)


def test_the_data_stays_in_the_stacks_folder_where_its_user_may_go(
    folder: Path, shelters: Path, programs: Path
) -> None:
    place = settle_for(OURSELVES, folder / "postgres", programs, IGNORED, shelters)
    assert (place.base, place.programs) == (folder / "postgres", programs)
    assert stat.S_IMODE(place.base.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_what_the_user_cannot_reach_is_put_into_a_shelter_and_no_permission_is_changed(
    folder: Path, shelters: Path, programs: Path
) -> None:
    before = permissions(folder, programs)
    told: list[str] = []
    place = settle_for(STRANGER, folder / "postgres", programs, told.append, shelters)
    assert place.base.parent.parent == shelters
    assert [f"its data is kept in {place.base}." in sentence for sentence in told] == [True]
    assert place.base.stat().st_uid == STRANGER.uid
    assert (folder / "postgres").readlink() == place.base
    assert (place.programs / "postgres").read_text() == "a program"
    assert stat.S_IMODE((place.programs / "postgres").stat().st_mode) == 0o755
    assert (place.programs / "../../../package.libs/libpq.so").read_text() == "a library"
    assert permissions(folder, programs) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_the_next_start_finds_the_same_shelter_even_when_the_folder_was_moved(
    folder: Path, shelters: Path, programs: Path
) -> None:
    first = settle_for(STRANGER, folder / "postgres", programs, IGNORED, shelters)
    moved = folder.rename(folder.with_name("moved"))
    assert settle_for(STRANGER, moved / "postgres", programs, IGNORED, shelters) == first


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_a_shelter_that_was_swept_away_is_reported_not_replaced(folder: Path, shelters: Path, programs: Path) -> None:
    base = settle_for(STRANGER, folder / "postgres", programs, IGNORED, shelters).base
    shutil.rmtree(base.parent)
    with pytest.raises(ServersUnavailable, match=f"data was at {base} and is gone"):
        settle_for(STRANGER, folder / "postgres", programs, IGNORED, shelters)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_erasing_leaves_nothing_behind(folder: Path, shelters: Path, programs: Path) -> None:
    settle_for(STRANGER, folder / "postgres", programs, IGNORED, shelters)
    postgres_place.erase(folder / "postgres")
    assert list(shelters.iterdir()) == []
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_the_unprivileged_user_can_run_the_copied_programs(folder: Path) -> None:
    installed = postgres_place.installed_programs()
    package = installed.parent.parent
    private = folder / "site-packages"
    shutil.copytree(installed.parent, private / package.name / installed.parent.name)
    shutil.copytree(package.with_name(f"{package.name}.libs"), private / f"{package.name}.libs")
    try:
        place = settle_for(
            unprivileged(),
            folder / "postgres",
            private / package.name / installed.parent.name / installed.name,
            IGNORED,
        )
        assert place.programs.is_relative_to(postgres_place.SHELTERS)
        assert place.user is not None
        told = subprocess.run(
            [place.programs / "initdb", "--version"],  # it looks for its libraries and for postgres beside it
            capture_output=True,
            check=True,
            text=True,
            cwd=place.base,
            env={},
            user=place.user.uid,
            group=place.user.gid,
            extra_groups=[],
        )
        assert "PostgreSQL) 18" in told.stdout
    finally:
        postgres_place.erase(folder / "postgres")
