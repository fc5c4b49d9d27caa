"""What a caller says comes out of each family's words as it went in: the simulator, which reads all of them, tells.

A request is read twice: as the caller sent it, in OpenAI's words, and as the family was sent it, in the family's.
"""

from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.router_worker.providers.dialect import HttpCall
from services.router_worker.providers.registry import DIALECTS
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider, Timeouts
from simulator.conversation import Turn
from simulator.dialects import find_dialect
from simulator.dialects.openai_chat import OpenAIChat
from simulator.exchange import Ask, Request
from tests.dialects.families import FAMILIES, Family, Feature
from tests.suites.provider_calls import a_job

CANDIDATE = Candidate("p/m", "p", "m", "m", Timeouts())

# Text that says something: what is empty, or all white space, some families do not take.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(str.strip)
names = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)
pictures = st.sampled_from(["data:image/png;base64,iVBORw0KGgo=", "data:image/jpeg;base64,/9j/4AA="])
parts = texts.map(lambda text: {"type": "text", "text": text}) | pictures.map(
    lambda url: {"type": "image_url", "image_url": {"url": url}}
)
speech = st.builds(
    lambda content: {"role": "user", "content": content}, texts | st.lists(parts, min_size=1, max_size=3)
)
reply = st.builds(lambda text: {"role": "assistant", "content": text}, texts)


@st.composite
def tool_rounds(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Calls of the assistant, and all of their results."""
    calls = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": draw(names), "arguments": orjson.dumps(draw(st.dictionaries(names, values))).decode()},
        }
        for number in range(draw(st.integers(1, 2)))
    ]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": draw(texts)} for call in calls]
    return [{"role": "assistant", "content": draw(st.none() | texts), "tool_calls": calls}, *results]


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Speech and reply take turns, and it ends with speech or results."""
    system = [{"role": "system", "content": draw(texts)}] if draw(st.booleans()) else []
    rounds = draw(st.lists(st.tuples(speech, reply), max_size=2))
    last = [draw(speech), *(draw(tool_rounds()) if draw(st.booleans()) else [])]
    return [*system, *(message for both in rounds for message in both), *last]


tools = st.lists(names, max_size=2, unique=True).map(
    lambda offered: [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": f"It is {name}.",
                "parameters": {"type": "object", "properties": {"at": {"type": "integer"}}},
            },
        }
        for name in offered
    ]
)


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    body: dict[str, Any] = {"messages": draw(conversations()), "max_tokens": draw(st.integers(1, 1_000))}
    if offered := draw(tools):
        body["tools"] = offered
        body["tool_choice"] = draw(st.sampled_from(["auto", "required", "none"]))
    if stops := draw(st.lists(texts, max_size=2, unique=True)):
        body["stop"] = stops
    if draw(st.booleans()):
        body["temperature"] = draw(st.sampled_from([0.0, 0.25, 1.0]))
    return body


def understood_by(family: Family, body: dict[str, Any], streamed: bool) -> Ask:
    section = {"dialect": family.dialect, "base_url": f"http://p.test{family.path}", "api_key": "k", **family.section}
    job = a_job(streamed=streamed, **body)
    call = DIALECTS[family.dialect].encode(job, CANDIDATE, Provider.model_validate(section), None)
    assert isinstance(call, HttpCall), call
    where = urlsplit(call.url)
    headers = tuple((name.encode(), value.encode()) for name, value in call.headers.items())
    request = Request("POST", where.path, where.query, headers, call.body)
    found = find_dialect(request.method, request.path)
    assert found is not None
    return found[0].understand(request)


def numbered(turns: tuple[Turn, ...]) -> list[Turn]:
    """With the ids of their calls in the order in which they appear."""
    ids: dict[str, str] = {}

    def number(call_id: str) -> str:
        return ids.setdefault(call_id, f"call {len(ids)}")

    return [
        turn._replace(
            uses=tuple(use._replace(call_id=number(use.call_id)) for use in turn.uses),
            result_of=number(turn.result_of) if turn.result_of is not None else None,
        )
        for turn in turns
    ]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.dialect)
@settings(max_examples=60, deadline=None)
@given(body=requests(), streamed=st.booleans())
def test_what_a_caller_says_reaches_every_family_as_it_was(
    family: Family, body: dict[str, Any], streamed: bool
) -> None:
    if Feature.STOP in family.lacks:
        body.pop("stop", None)
    if family.dialect == "bedrock" and any("tool_calls" in message for message in body["messages"]):
        assume(
            "tools" in body and body["tool_choice"] != "none"
        )  # else it is told: tests/dialects/test_bedrock_request
    caller = Request("POST", "/v1/chat/completions", "", (), orjson.dumps({"model": "m", **body}))
    said, heard = OpenAIChat().understand(caller), understood_by(family, body, streamed)
    if family.renames_calls:
        assert numbered(heard.turns) == numbered(said.turns)
    else:
        assert heard.turns == said.turns
    assert heard.tools == said.tools
    assert heard.stop == said.stop
    assert (heard.max_tokens, heard.temperature) == (said.max_tokens, said.temperature)
    assert heard.stream is streamed
    if said.tools:
        assert heard.tool_choice == said.tool_choice
