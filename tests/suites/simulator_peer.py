"""A client that speaks to the simulator in bytes, and sees each packet."""

import asyncio
import json
from urllib.parse import urlsplit

from simulator import Served

QUESTION = [{"role": "user", "content": "What is the answer?"}]


def request(script="", *, stream=True, extra="", **fields) -> bytes:
    body = json.dumps({"model": "m", "messages": QUESTION, "stream": stream, **fields}).encode()
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        "host: sim",
        f"x-sim-script: {script}",
        f"content-length: {len(body)}",
    ]
    return ("\r\n".join(lines) + f"\r\n{extra}\r\n").encode() + body


class Peer(asyncio.Protocol):
    """A client that notes each packet it gets."""

    def __init__(self):
        self.packets = []
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.packets.append(data)

    def connection_lost(self, exc):
        self.lost.set_result(exc)

    @property
    def received(self):
        return b"".join(self.packets)

    async def until(self, *marks: bytes):
        await eventually(lambda: all(mark in self.received for mark in marks))


async def connect(sim) -> Peer:
    where = urlsplit(sim.url)
    _, peer = await asyncio.get_running_loop().create_connection(Peer, where.hostname, where.port)
    return peer


async def eventually(condition, seconds=20.0):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


async def the_only_record(sim) -> Served:
    await eventually(sim.served)
    (record,) = sim.served()
    return record


async def sent(sim, data: bytes) -> Peer:
    peer = await connect(sim)
    peer.transport.write(data)
    return peer
