"""What is said in a call: the same words for the same seed, model and messages."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import shake_128
from random import Random
from typing import Final

from simulator.conversation import ToolUse
from simulator.corpus import fragments, say
from simulator.exchange import Ask, Declined, Said, Thought, Tool, ToolCalled, ToolSaid, Usage
from simulator.schemas import example
from simulator.script import FinishReason, Script

__all__ = ["Answer", "Gathered", "Utterance", "compose", "embedding", "gathered"]

_DIMENSIONS: Final = 8

Utterance = Said | Thought | Declined | ToolCalled | ToolSaid
"""What costs a token, except that `ToolCalled` is free: its arguments are what is generated."""


@dataclass(frozen=True, slots=True)
class Answer:
    choices: tuple[tuple[Utterance, ...], ...]
    """What each choice says, in order."""
    reasons: tuple[FinishReason, ...]
    stops: tuple[str | None, ...]
    """The caller's sequence that ended each choice."""
    usage: Usage
    vectors: tuple[tuple[float, ...], ...] = ()
    """The embeddings of the caller's texts."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a choice says, for those who wait for all of it."""

    text: str
    thoughts: str
    declined: str
    calls: tuple[ToolUse, ...]


def gathered(said: tuple[Utterance, ...]) -> Gathered:
    texts: dict[type, list[str]] = {Said: [], Thought: [], Declined: []}
    calls: dict[int, ToolUse] = {}
    for utterance in said:
        match utterance:
            case ToolCalled(_, tool, call_id, name):
                calls[tool] = ToolUse(call_id, name, "")
            case ToolSaid(_, tool, fragment):
                calls[tool] = calls[tool]._replace(arguments=calls[tool].arguments + fragment)
            case Said(_, text) | Thought(_, text) | Declined(_, text):
                texts[type(utterance)].append(text)
    return Gathered("".join(texts[Said]), "".join(texts[Thought]), "".join(texts[Declined]), tuple(calls.values()))


def compose(ask: Ask, script: Script, rng: Random) -> Answer:
    """The whole answer. `rng` must be seeded by (seed, model, prompt) for the words to be the same each time."""
    if ask.embeds:
        vectors = tuple(embedding(text, ask.dimensions or _DIMENSIONS) for text in ask.embeds)
        return Answer((), (), (), Usage(ask.prompt_tokens, 0, 0, 0), vectors)
    choices: list[tuple[Utterance, ...]] = []
    reasons: list[FinishReason] = []
    stops: list[str | None] = []
    spoken = thought = 0
    for choice in range(ask.choices):
        words, stop = _stopped(_choice(choice, ask, script, rng), ask.stop)
        said, tokens, reason = _limited(words, ask, script)
        choices.append(tuple(said))
        reasons.append(reason)
        stops.append(stop if len(said) == len(words) else None)
        spoken += tokens
        thought += sum(type(utterance) is Thought for utterance in said)
    cached = min(script.cached_tokens, ask.prompt_tokens)
    usage = Usage(
        prompt_tokens=ask.prompt_tokens,
        cached_tokens=cached,
        output_tokens=spoken + script.reasoning_tokens * ask.choices,
        reasoning_tokens=thought + script.reasoning_tokens * ask.choices,
        written_tokens=min(script.cache_written_tokens, ask.prompt_tokens - cached),
    )
    return Answer(tuple(choices), tuple(reasons), tuple(stops), usage)


def embedding(text: str, dimensions: int) -> tuple[float, ...]:
    """The same for the same text, exact as 32-bit floats."""
    digest = shake_128(text.encode("utf-8", "surrogatepass")).digest(dimensions)
    return tuple((byte - 128) / 128 for byte in digest)


def _choice(choice: int, ask: Ask, script: Script, rng: Random) -> list[Utterance]:
    tools = max(script.tools, ask.tools_at_least) if ask.tools else 0
    if not ask.parallel_tools:
        tools = min(tools, 1)
    pieces = say(script.text_length(tools).draw_whole(rng), rng)
    if ask.schema is not None and not tools:
        pieces = fragments(json.dumps(example(ask.schema, rng), ensure_ascii=False), rng)
    if ask.prefix:
        pieces = _after(ask.prefix, pieces)
    kind = Declined if script.refusal else Said
    said: list[Utterance] = [kind(choice, piece) for piece in pieces]
    if script.thoughts is not None:
        thoughts = say(script.thoughts.draw_whole(rng), rng)
        said = [*(Thought(choice, piece) for piece in thoughts), *said]
    calls = [_tool_call(choice, tool, ask.tools, rng) for tool in range(tools)]
    if script.tool_order == "interleaved":
        longest = max(map(len, calls), default=0)
        return said + [call[step] for step in range(longest) for call in calls if step < len(call)]
    return said + [utterance for call in calls for utterance in call]


def _stopped(said: list[Utterance], sequences: tuple[str, ...]) -> tuple[list[Utterance], str | None]:
    """What is said up to the first of the caller's sequences, and that."""
    text = "".join(utterance.text for utterance in said if isinstance(utterance, Said))
    found = [(text.find(sequence), sequence) for sequence in sequences if sequence in text]
    if not found:
        return said, None
    room, sequence = min(found)
    kept: list[Utterance] = []
    for utterance in said:
        if not isinstance(utterance, Said):
            kept.append(utterance)
        elif room > 0:
            kept.append(utterance._replace(text=utterance.text[:room]))
            room -= len(utterance.text)
        else:
            break
    return kept, sequence


def _after(prefix: str, pieces: list[str]) -> list[str]:
    """The rest of the text when `prefix` is how it begins; else the whole text."""
    if not "".join(pieces).startswith(prefix):
        return pieces
    position = 0
    for index, piece in enumerate(pieces):
        if position + len(piece) > len(prefix):
            return [piece[len(prefix) - position :], *pieces[index + 1 :]]
        position += len(piece)
    return []


def _tool_call(choice: int, index: int, tools: tuple[Tool, ...], rng: Random) -> list[Utterance]:
    tool = tools[index % len(tools)]
    arguments = json.dumps({name: example({"type": kind}, rng) for name, kind in tool.parameters}, ensure_ascii=False)
    call_id = f"call_{rng.getrandbits(96):024x}"
    return [
        ToolCalled(choice, index, call_id, tool.name),
        *(ToolSaid(choice, index, fragment) for fragment in fragments(arguments, rng)),
    ]


def _limited(said: list[Utterance], ask: Ask, script: Script) -> tuple[list[Utterance], int, FinishReason]:
    """As much of it as the caller takes, its tokens, and why it ends there."""
    calls = sum(type(utterance) is ToolCalled for utterance in said)
    tokens = len(said) - calls
    natural: FinishReason = "tool_calls" if calls else "refusal" if script.refusal else "stop"
    room = tokens if ask.max_tokens is None else max(ask.max_tokens - script.reasoning_tokens, 0)
    if room < tokens:
        return list(_first_tokens(said, room)), room, script.finish or "length"
    return said, tokens, script.finish or natural


def _first_tokens(said: list[Utterance], room: int) -> Iterator[Utterance]:
    for utterance in said:
        room -= not isinstance(utterance, ToolCalled)
        if room < 0:
            return
        yield utterance
