"""An authority of the test's own, and proxies that end TLS before servers whose binaries speak none."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

__all__ = ["Authority", "postgres_tls", "tls"]

_SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


class Authority:
    """Vouches for servers at 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        leaf = authority.issue_cert("127.0.0.1", "localhost")
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self.server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        leaf.configure_cert(self.server)
        self.key_store = folder / "server.pem"
        """Key and certificates in one file, as Kafka takes them."""
        key = load_pem_private_key(leaf.private_key_pem.bytes(), password=None)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.key_store.write_bytes(pem + b"".join(blob.bytes() for blob in leaf.cert_chain_pems))


@asynccontextmanager
async def tls(authority: Authority, port: int) -> AsyncIterator[int]:
    """A port that speaks TLS, in front of one that does not."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _through(reader, writer, port)

    async with await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=authority.server) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def postgres_tls(authority: Authority, port: int) -> AsyncIterator[int]:
    """The same for PostgreSQL, whose clients first ask in plain whether the server speaks TLS; others are sent away."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(len(_SSL_REQUEST)) != _SSL_REQUEST:
            writer.close()
            return
        writer.write(b"S")
        try:
            await writer.start_tls(authority.server)
        except OSError:
            return  # the client does not trust us
        await _through(reader, writer, port)

    async with await asyncio.start_server(pass_on, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def _through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    behind, before = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.wait(
        {asyncio.create_task(_copy(reader, before)), asyncio.create_task(_copy(behind, writer))},
        return_when=asyncio.FIRST_COMPLETED,
    )
    for end in (before, writer):
        end.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(65_536):
            sink.write(piece)
            await sink.drain()
