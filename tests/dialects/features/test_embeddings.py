"""Embeddings come in OpenAI's words, packed or not, whoever made them."""

from array import array
from base64 import b64decode

import pytest

from services.router_worker.events import Answered, Finished
from simulator.answer import embedding
from tests.dialects.families import FAMILIES, Family, Feature, shows
from tests.suites.family_calls import Heard, talking

TEXTS = ["A gate for water.", "A wall for water."]


def vectors_of(heard: Heard) -> list[list[float]]:
    (answered,) = [event for event in heard.events if isinstance(event, Answered)]
    data = answered.response["data"]
    assert isinstance(data, list)
    assert [each["index"] for each in data] == list(range(len(data)))
    return [_floats(each["embedding"]) for each in data]


def _floats(vector: str | list[float]) -> list[float]:
    return list(array("f", b64decode(vector))) if isinstance(vector, str) else vector


@shows(Feature.EMBEDDINGS)
@pytest.mark.parametrize("packed", [{}, {"encoding_format": "base64"}], ids=["floats", "base64"])
async def test_each_text_has_its_vector_in_order(family: Family, packed: dict[str, str]) -> None:
    async with talking(family) as talk:
        heard = await talk.embed(input=TEXTS, **packed)
    assert heard.asked.embeds == tuple(TEXTS)
    assert all(isinstance(each["embedding"], str if packed else list) for each in heard.response["data"])
    vectors = vectors_of(heard)
    assert vectors == [list(embedding(text, len(vectors[0]))) for text in TEXTS]
    if family.counts_embeddings:
        assert heard.usage.uncached_input > 0
        assert heard.usage.output == 0
    assert isinstance(heard.ending, Finished)


@shows(Feature.EMBEDDINGS)
async def test_one_text_has_one_vector(family: Family) -> None:
    async with talking(family) as talk:
        assert len(vectors_of(await talk.embed(input=TEXTS[0]))) == 1


@pytest.mark.parametrize(
    "family", [family for family in FAMILIES if Feature.EMBEDDINGS in family.lacks], ids=lambda family: family.dialect
)
async def test_who_wants_embeddings_of_a_family_without_them_is_told_before_any_call(family: Family) -> None:
    async with talking(family) as talk:
        heard = await talk.embed(input=TEXTS)
    assert heard.ask is None
    assert heard.failure.kind == "unsupported"
