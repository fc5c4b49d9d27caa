"""How few log entries can carry these chunks? Pure.

A provider that is faster than the flusher's tick sends several chunks between two flushes. Neighbours that carry
nothing but text of the same choice become one chunk: the text is the same, the entries are fewer.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import orjson

from services.router_worker.events import Chunk

__all__ = ["coalesce"]


def coalesce(chunks: Sequence[Chunk]) -> Iterator[bytes]:
    """The chunks as JSON, plain neighbours merged; order and text are kept."""
    if len(chunks) == 1:  # the usual case
        yield chunks[0].data
        return
    for (plain, _), group in groupby(chunks, key=lambda chunk: (chunk.plain, chunk.choice)):
        run = list(group)
        if plain and len(run) > 1:
            yield _merged(run)
        else:
            for chunk in run:
                yield chunk.data


def _merged(run: list[Chunk]) -> bytes:
    whole = orjson.loads(run[0].data)
    whole["choices"][0]["delta"]["content"] = "".join(chunk.text for chunk in run)
    return orjson.dumps(whole)
