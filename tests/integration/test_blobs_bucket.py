"""Blobs in a bucket, where ingress and workers are on machines of their own."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from shared.blobs import BlobMissingError, BlobsAwayError, Part, Sweeper, blob_key, open_blobs
from shared.contracts import BlobRef
from shared.ids import new_job_id
from tests.suites.bucket import Bucket, running_bucket

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
async def bucket(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bucket]:
    async with running_bucket("sluice") as bucket:
        monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "sluice-key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        yield bucket


def key_of(kept_until: datetime) -> str:
    return blob_key(kept_until, "acme", new_job_id(), Part.REQUEST)


async def test_what_is_left_in_a_bucket_can_be_collected(bucket: Bucket) -> None:
    blobs = open_blobs("s3://sluice/prod")
    content = bytes(range(256)) * 80_000  # beyond the size from which on clients upload in parts
    blob = await blobs.leave(key_of(NOW), content)
    assert await blobs.collect(blob) == content
    assert bucket.objects == {f"prod/{blob.key}": content}
    assert bucket.signed_by == {"sluice-key"}


async def test_the_sweeper_empties_a_bucket_by_the_hour(bucket: Bucket) -> None:
    blobs = open_blobs("s3://sluice/prod")
    for hours in (1, 1, 2, 30):
        await blobs.leave(key_of(NOW - timedelta(hours=hours)), b"old")
    young = await blobs.leave(key_of(NOW + timedelta(hours=1)), b"young")
    bucket.objects["prod/somebody-elses/file"] = b""
    assert await Sweeper(blobs, lambda: NOW).sweep() == 4
    assert set(bucket.objects) == {f"prod/{young.key}", "prod/somebody-elses/file"}


async def test_what_a_bucket_has_not_is_missing(bucket: Bucket) -> None:
    with pytest.raises(BlobMissingError):
        await open_blobs("s3://sluice").collect(BlobRef(key=key_of(NOW), size=1))


async def test_a_hiccup_of_the_bucket_is_waited_out(bucket: Bucket) -> None:
    blobs = open_blobs("s3://sluice")
    bucket.failures = 1
    assert await blobs.collect(await blobs.leave(key_of(NOW), b"content")) == b"content"


async def test_a_bucket_that_is_not_there_is_away_and_nobody_is_told_the_secret(bucket: Bucket) -> None:
    with pytest.raises(BlobsAwayError) as told:
        await open_blobs("s3://another").leave(key_of(NOW), b"content")
    assert "hunter2" not in str(told.value)
