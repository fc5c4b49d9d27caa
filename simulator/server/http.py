"""HTTP/1.1 as bytes: requests out of a stream, and the frame around a response."""

from http import HTTPStatus
from typing import Final

import httptools

from simulator.dialects.dialect import Headers
from simulator.exchange import Request

__all__ = ["LAST_CHUNK", "BodyTooLargeError", "RequestReader", "response_head"]

LAST_CHUNK: Final = b"0\r\n\r\n"


class BodyTooLargeError(Exception):
    """The client sends more than the simulator takes."""


class RequestReader:
    """Feed bytes, take requests. httptools calls the `on_...` methods."""

    def __init__(self, max_body_bytes: int) -> None:
        self.requests: list[Request] = []
        self.wants_continue = False
        """The client waits for a `100 Continue` before it sends the body."""
        self._parser = httptools.HttpRequestParser(self)
        self._max_body_bytes = max_body_bytes
        self._begin()

    def feed(self, data: bytes) -> list[Request]:
        """The requests that are complete now. Raises httptools.HttpParserError or BodyTooLargeError."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, BodyTooLargeError):
                raise error.__context__ from None
            raise
        complete, self.requests = self.requests, []
        return complete

    def _begin(self) -> None:
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))
        if name.lower() == b"expect" and value.lower() == b"100-continue":
            self.wants_continue = True

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > self._max_body_bytes:
            raise BodyTooLargeError
        self._body.append(body)

    def on_message_complete(self) -> None:
        path, _, query = self._url.decode("latin-1").partition("?")
        self.requests.append(
            Request(
                method=self._parser.get_method().decode(),
                path=path,
                query=query,
                headers=tuple(self._headers),
                body=b"".join(self._body),
                keep_alive=self._parser.should_keep_alive(),
            )
        )
        self._begin()


def response_head(status: int, headers: Headers, length: int | None, *, keep_alive: bool) -> bytes:
    lines = [f"HTTP/1.1 {status} {_phrase(status)}", *(f"{name}: {value}" for name, value in headers)]
    lines.append("transfer-encoding: chunked" if length is None else f"content-length: {length}")
    if not keep_alive:
        lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
