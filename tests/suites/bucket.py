"""As much of S3 as a blob store asks for, over real HTTP: put, get, list and delete many, with signatures looked at."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import md5
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.serving import serving

__all__ = ["Bucket", "running_bucket"]


@dataclass(slots=True)
class Bucket:
    name: str
    objects: dict[str, bytes] = field(default_factory=dict)
    signed_by: set[str] = field(default_factory=set)
    """The access keys of those who asked."""
    url: str = ""
    failures: int = 0
    """So many more requests get a 503."""

    async def answer(self, request: Request) -> Response:
        self.signed_by.add(request.headers["authorization"].partition("Credential=")[2].partition("/")[0])
        if self.failures:
            self.failures -= 1
            return Response(status_code=503)
        bucket, _, key = request.path_params["path"].partition("/")
        return await self._served(request, key) if bucket == self.name else _missing("NoSuchBucket")

    async def _served(self, request: Request, key: str) -> Response:
        match request.method:
            case "PUT":
                self.objects[key] = await request.body()
                return Response(headers={"etag": f'"{md5(self.objects[key]).hexdigest()}"'})  # noqa: S324
            case "GET" if "list-type" in request.query_params:
                return self._listed(request.query_params["prefix"], request.query_params.get("delimiter", ""))
            case "GET" if key in self.objects:
                return Response(self.objects[key], headers={"etag": '"x"', "last-modified": _MOMENT})
            case "POST" if "delete" in request.query_params:
                return self._deleted(await request.body())
            case _:
                return _missing("NoSuchKey")

    def _listed(self, prefix: str, delimiter: str) -> Response:
        keys = [key for key in sorted(self.objects) if key.startswith(prefix)]
        folders = {prefix + key.removeprefix(prefix).partition("/")[0] + "/" for key in keys if delimiter}
        found = [] if delimiter else keys
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"x"</ETag><Size>{len(self.objects[key])}</Size></Contents>'
            for key in found
        )
        common = "".join(
            f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in sorted(folders)
        )
        return _xml(f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}{common}</ListBucketResult>")

    def _deleted(self, asked: bytes) -> Response:
        keys = [element.text or "" for element in ET.fromstring(asked).iter() if element.tag.endswith("Key")]  # noqa: S314
        for key in keys:
            self.objects.pop(key, None)
        gone = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        return _xml(f"<DeleteResult>{gone}</DeleteResult>")


_MOMENT = "Thu, 01 Jan 2026 00:00:00 GMT"


def _missing(code: str) -> Response:
    return _xml(f"<Error><Code>{code}</Code></Error>", 404)


def _xml(text: str, status: int = 200) -> Response:
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>{text}', status, media_type="application/xml")


@asynccontextmanager
async def running_bucket(name: str) -> AsyncIterator[Bucket]:
    bucket = Bucket(name)
    app = Starlette(routes=[Route("/{path:path}", bucket.answer, methods=["GET", "PUT", "POST", "DELETE"])])
    async with serving(app, host="127.0.0.1", port=0, grace_seconds=1) as port:  # type: ignore[arg-type]
        bucket.url = f"http://127.0.0.1:{port}"
        yield bucket
