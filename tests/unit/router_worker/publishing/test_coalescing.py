import orjson
from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.events import Chunk
from services.router_worker.publishing.coalescing import coalesce


def chunk(text: str, *, plain: bool = True, choice: int = 0) -> Chunk:
    delta = {"content": text} if plain else {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}
    data = orjson.dumps({"id": "chatcmpl-1", "choices": [{"index": choice, "delta": delta, "finish_reason": None}]})
    return Chunk(data, text if plain else "", is_output=True, plain=plain, choice=choice)


chunks = st.lists(st.builds(chunk, st.text(), plain=st.booleans(), choice=st.integers(0, 2)), max_size=30)


def texts(entries: list[bytes]) -> dict[int, str]:
    whole: dict[int, str] = {}
    for entry in entries:
        (choice,) = orjson.loads(entry)["choices"]
        whole[choice["index"]] = whole.get(choice["index"], "") + choice["delta"].get("content", "")
    return whole


@given(chunks)
def test_the_text_of_every_choice_is_kept(run: list[Chunk]) -> None:
    assert texts(list(coalesce(run))) == texts([one.data for one in run])


@given(chunks)
def test_chunks_with_anything_but_text_pass_unchanged_and_in_order(run: list[Chunk]) -> None:
    special = [one.data for one in run if not one.plain]
    assert [entry for entry in coalesce(run) if entry in special] == special


def test_plain_neighbours_become_one_entry() -> None:
    entries = list(coalesce([chunk("a"), chunk("b"), chunk("c")]))
    assert texts(entries) == {0: "abc"}
    assert len(entries) == 1


def test_a_chunk_alone_is_handed_on_as_it_is() -> None:
    only = chunk("a")
    assert list(coalesce([only])) == [only.data]
