"""Blobs in a directory: whole or not there, private, and gone by the hour with whatever else lies about."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.blobs import BlobMissingError, BlobsAwayError, Part, Sweeper, blob_key, open_blobs
from shared.contracts import BlobRef
from shared.errors import OperatorError
from shared.ids import JobId, new_job_id
from tests.suites.blobs import MemoryBlobs

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def key_of(kept_until: datetime, job: JobId | None = None) -> str:
    return blob_key(kept_until, "acme", job or new_job_id(), Part.REQUEST)


async def test_what_is_left_can_be_collected(tmp_path: Path) -> None:
    blobs = open_blobs(str(tmp_path / "deep" / "blobs"))
    blob = await blobs.leave(key_of(NOW), b"content" * 1000)
    assert blob.size == 7000
    assert await blobs.collect(blob) == b"content" * 1000


async def test_a_file_url_is_a_directory_too(tmp_path: Path) -> None:
    blob = await open_blobs(f"file://{tmp_path}/blobs").leave(key_of(NOW), b"content")
    assert await open_blobs(str(tmp_path / "blobs")).collect(blob) == b"content"


async def test_leaving_again_is_harmless(tmp_path: Path) -> None:
    blobs, key = open_blobs(str(tmp_path)), key_of(NOW)
    await blobs.leave(key, b"content")
    assert await blobs.collect(await blobs.leave(key, b"content")) == b"content"


async def test_nobody_else_may_look_in(tmp_path: Path) -> None:
    root = tmp_path / "blobs"
    await open_blobs(str(root)).leave(key_of(NOW), b"content")
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


async def test_what_is_not_there_or_not_whole_is_missing(tmp_path: Path) -> None:
    blobs, key = open_blobs(str(tmp_path)), key_of(NOW)
    with pytest.raises(BlobMissingError):
        await blobs.collect(BlobRef(key=key, size=1))
    await blobs.leave(key, b"content")
    with pytest.raises(BlobMissingError, match="7 bytes instead of 8"):
        await blobs.collect(BlobRef(key=key, size=8))


async def test_a_place_that_cannot_be_written_is_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BlobsAwayError):
        await open_blobs(str(tmp_path / "file" / "blobs")).leave(key_of(NOW), b"content")


@pytest.mark.parametrize("url", ["ftp://host/folder", "http://host/folder"])
def test_another_kind_of_store_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(OperatorError, match="SLUICE_BLOBS_URL"):
        open_blobs(url)


async def test_the_sweeper_removes_what_is_past_its_time_and_nothing_else(tmp_path: Path) -> None:
    blobs = open_blobs(str(tmp_path))
    old = [await blobs.leave(key_of(NOW - timedelta(hours=hours)), b"old") for hours in (1, 1, 30)]
    young = await blobs.leave(key_of(NOW + timedelta(minutes=1)), b"young")
    half_written = tmp_path / old[0].key.partition("/")[0] / "acme" / "half#1"
    half_written.write_bytes(b"hal")
    (tmp_path / "somebody-elses").mkdir()
    assert await Sweeper(blobs, lambda: NOW).sweep() == 4
    assert await blobs.folders() == [young.key.partition("/")[0], "somebody-elses"]
    assert {path.name for path in tmp_path.iterdir()} == {young.key.partition("/")[0], "somebody-elses"}
    assert await blobs.collect(young) == b"young"


async def test_a_round_of_the_sweeper_is_bounded() -> None:
    blobs = MemoryBlobs()
    for _ in range(25):
        await blobs.leave(key_of(NOW - timedelta(hours=2)), b"old")
    sweeper = Sweeper(blobs, lambda: NOW, most=10)
    assert [await sweeper.sweep() for _ in range(4)] == [10, 10, 5, 0]
