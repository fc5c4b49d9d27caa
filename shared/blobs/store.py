"""Leave bytes, collect them, and remove an hour's worth: in a directory, or in a bucket of S3 or its like."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from shared.contracts import BlobRef
from shared.errors import OperatorError

__all__ = ["INLINE_BYTES", "BlobMissingError", "Blobs", "BlobsAwayError", "open_blobs"]

INLINE_BYTES: Final = 900_000
"""What a record carries itself, at most: a broker takes 1 MB unless told otherwise, and the rest has to fit in too."""

_CALL_SECONDS: Final = 30.0
_SCHEMES: Final = ("s3", "s3a", "gs", "az", "abfs", "abfss")
_LISTED: Final = 1000


class BlobMissingError(Exception):
    """The store answers, and has it not, or not whole."""


class BlobsAwayError(Exception):
    """The store does not answer, or refuses; the same call may succeed later."""


class Blobs(Protocol):
    """Every method may block for the time limit of a call, and raises BlobsAwayError."""

    async def leave(self, key: str, content: bytes) -> BlobRef:
        """Afterwards the store has it, whole: nobody ever sees a part. May be repeated."""
        ...

    async def collect(self, blob: BlobRef) -> bytes:
        """Raises BlobMissingError, too."""
        ...

    async def find(self, key: str) -> bytes | None:
        """Whatever is there by that name; None when nothing is."""
        ...

    async def folders(self) -> list[str]:
        """The first parts of all keys."""
        ...

    async def clear(self, folder: str, most: int) -> int:
        """Remove about `most` blobs of a folder, or all; how many. May be repeated, and done by several at once."""
        ...


def open_blobs(url: str) -> Blobs:
    """`url` is a directory, or names a bucket: `s3://bucket/prefix`, whose credentials come from the environment
    (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT_URL` …). Nothing is touched yet. Raises OperatorError.
    """
    scheme = urlsplit(url).scheme
    if scheme in ("", "file"):
        return _Directory(Path(url.removeprefix("file://")))
    if scheme not in _SCHEMES:
        raise OperatorError("SLUICE_BLOBS_URL: expected a directory, or a URL that begins with s3://, gs:// or az://")
    try:
        return _Bucket(
            from_url(
                url,
                # Who names an endpoint without TLS means it, as for one in the same cluster.
                client_options={"timeout": timedelta(seconds=_CALL_SECONDS), "allow_http": True},
                retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=_CALL_SECONDS / 2)},
            )
        )
    except (BaseError, ValueError) as error:
        raise OperatorError(f"SLUICE_BLOBS_URL: {_first_line(error)}") from error


class _Stored:
    """What directories and buckets have in common."""

    def _store(self) -> ObjectStore:
        raise NotImplementedError

    async def leave(self, key: str, content: bytes) -> BlobRef:
        with _translated(missing=BlobsAwayError):  # such as the bucket itself
            async with asyncio.timeout(_CALL_SECONDS):
                # In one piece: an upload in parts that is broken off leaves parts that nobody sees and all pay for.
                await obstore.put_async(self._store(), key, content, use_multipart=False)
        return BlobRef(key=key, size=len(content))

    async def collect(self, blob: BlobRef) -> bytes:
        with _translated():
            async with asyncio.timeout(_CALL_SECONDS):
                found = await obstore.get_async(self._store(), blob.key)
                content = bytes(await found.bytes_async())
        if len(content) != blob.size:
            raise BlobMissingError(f"{blob.key} has {len(content)} bytes instead of {blob.size}")
        return content

    async def find(self, key: str) -> bytes | None:
        try:
            with _translated():
                async with asyncio.timeout(_CALL_SECONDS):
                    found = await obstore.get_async(self._store(), key)
                    return bytes(await found.bytes_async())
        except BlobMissingError:
            return None

    async def folders(self) -> list[str]:
        with _translated():
            async with asyncio.timeout(_CALL_SECONDS):
                return sorted((await obstore.list_with_delimiter_async(self._store()))["common_prefixes"])


class _Bucket(_Stored):
    def __init__(self, store: ObjectStore) -> None:
        self._bucket = store

    def _store(self) -> ObjectStore:
        return self._bucket

    async def clear(self, folder: str, most: int) -> int:
        removed = 0
        with _translated():
            async for page in obstore.list(self._bucket, f"{folder}/", chunk_size=_LISTED):
                async with asyncio.timeout(_CALL_SECONDS):
                    await obstore.delete_async(self._bucket, [found["path"] for found in page])
                removed += len(page)
                if removed >= most:
                    break
        return removed


class _Directory(_Stored):
    """Made when the first blob is left. A blob is written beside its place and moved there when it is whole."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def _store(self) -> ObjectStore:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LocalStore(self._root)

    async def clear(self, folder: str, most: int) -> int:  # noqa: ARG002 - see below
        """All at once, whatever is below: what a process left half written when it died has no name to list it by."""
        with _translated():
            return await asyncio.to_thread(_removed, self._root / folder)


def _removed(folder: Path) -> int:
    files = sum(1 for path in folder.rglob("*") if path.is_file())
    shutil.rmtree(folder, ignore_errors=True)  # somebody else may be at it as well
    return files


@contextmanager
def _translated(missing: type[Exception] = BlobMissingError) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise missing(_first_line(error)) from error
    except (BaseError, OSError) as error:  # TimeoutError is an OSError
        raise BlobsAwayError(_first_line(error)) from error


def _first_line(error: BaseException) -> str:
    """Without the debug output that obstore puts behind it."""
    return (str(error) or type(error).__name__).splitlines()[0]
