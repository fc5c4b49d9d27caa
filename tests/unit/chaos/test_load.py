"""The load: the same for the same seed, of every kind, and events are read as the standard says."""

from collections import Counter
from collections.abc import AsyncIterator
from random import Random

import pytest

from chaos.facts import Kind
from chaos.load.plan import planned
from chaos.load.sse import events_of
from chaos.models import FATES


def test_the_same_seed_gives_the_same_load() -> None:
    assert planned(60, 1, 3, Random(1)) == planned(60, 1, 3, Random(1))
    assert planned(60, 1, 3, Random(1)) != planned(60, 1, 3, Random(2))


def test_a_long_load_has_everything_in_it() -> None:
    errands = planned(600, 1, 3, Random(1))
    assert {errand.kind for errand in errands} == set(Kind)
    assert {errand.model for errand in errands} == set(FATES)
    assert any(errand.cancels_after is not None for errand in errands)
    assert any(errand.leaves_after is not None for errand in errands)
    assert any(len(reader.drops) > 1 for errand in errands for reader in errand.readers)
    assert len({errand.name for errand in errands}) == len(errands)
    assert [errand.at for errand in errands] == sorted(errand.at for errand in errands)


def test_scale_is_how_much_comes_in() -> None:
    half, twice = (len(planned(600, scale, 3, Random(1))) for scale in (0.5, 2.0))
    assert 3 < twice / half < 5


def test_who_follows_whom_fits_the_kind() -> None:
    readers = Counter((errand.kind, bool(errand.readers)) for errand in planned(600, 1, 3, Random(1)))
    assert readers[Kind.STREAM, False] == readers[Kind.CHAT, False] == 0
    assert readers[Kind.LINES, True] == readers[Kind.TOPIC, True] == readers[Kind.PLAIN, True] == 0


class Packets:
    """A connection's bytes as they may come."""

    def __init__(self, *packets: bytes) -> None:
        self._packets = packets

    async def iter_any(self) -> AsyncIterator[bytes]:
        for packet in self._packets:
            yield packet


WIRE = (
    b': ping\n\nid: 1-2\nevent: delta\ndata: {"a":1}\n\n: ping\n\nid: 1-3\nevent: done\ndata: {}\n\nid: 1-4\nevent: x'
)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_events_are_read_however_they_are_cut(size: int) -> None:
    packets = [WIRE[at : at + size] for at in range(0, len(WIRE), size)]
    events = [event async for event in events_of(Packets(*packets))]
    assert [(event.id, event.type, event.data) for event in events] == [
        ("1-2", "delta", b'{"a":1}'),
        ("1-3", "done", b"{}"),
    ]
