"""What is said in a call: the same words for the same seed, model and messages."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from simulator.corpus import fragments, say
from simulator.exchange import Ask, Said, Tool, ToolCalled, ToolSaid, Usage
from simulator.script import FinishReason, Script

__all__ = ["Answer", "Utterance", "compose"]

Utterance = Said | ToolCalled | ToolSaid
"""What costs a token, except that `ToolCalled` is free: its arguments are what is generated."""


@dataclass(frozen=True, slots=True)
class Answer:
    choices: tuple[tuple[Utterance, ...], ...]
    """What each choice says, in order."""
    reasons: tuple[FinishReason, ...]
    usage: Usage


def compose(ask: Ask, script: Script, rng: Random) -> Answer:
    """The whole answer. `rng` must be seeded by (seed, model, prompt) for the words to be the same each time."""
    choices: list[tuple[Utterance, ...]] = []
    reasons: list[FinishReason] = []
    spoken = 0
    for choice in range(ask.choices):
        words = _choice(choice, ask, script, rng)
        said, tokens, reason = _limited(words, ask, script)
        choices.append(tuple(said))
        reasons.append(reason)
        spoken += tokens
    usage = Usage(
        prompt_tokens=ask.prompt_tokens,
        cached_tokens=min(script.cached_tokens, ask.prompt_tokens),
        output_tokens=spoken + script.reasoning_tokens * ask.choices,
        reasoning_tokens=script.reasoning_tokens * ask.choices,
    )
    return Answer(tuple(choices), tuple(reasons), usage)


def _choice(choice: int, ask: Ask, script: Script, rng: Random) -> list[Utterance]:
    tools = max(script.tools, ask.tools_at_least) if ask.tools else 0
    pieces = say(script.text_length(tools).draw_whole(rng), rng)
    if ask.prefix:
        pieces = _after(ask.prefix, pieces)
    said: list[Utterance] = [Said(choice, piece) for piece in pieces]
    calls = [_tool_call(choice, tool, ask.tools, rng) for tool in range(tools)]
    if script.tool_order == "interleaved":
        longest = max(map(len, calls), default=0)
        return said + [call[step] for step in range(longest) for call in calls if step < len(call)]
    return said + [utterance for call in calls for utterance in call]


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
    arguments = json.dumps({name: _value(kind, rng) for name, kind in tool.parameters}, ensure_ascii=False)
    call_id = f"call_{rng.getrandbits(96):024x}"
    return [
        ToolCalled(choice, index, call_id, tool.name),
        *(ToolSaid(choice, index, fragment) for fragment in fragments(arguments, rng)),
    ]


def _value(kind: str, rng: Random) -> object:
    match kind:
        case "integer":
            return rng.randint(0, 999)
        case "number":
            return rng.randint(0, 9999) / 100
        case "boolean":
            return rng.random() < 0.5
        case "array":
            return say(2, rng)
        case "object":
            return {}
        case _:
            return "".join(say(3, rng))


def _limited(said: list[Utterance], ask: Ask, script: Script) -> tuple[list[Utterance], int, FinishReason]:
    """As much of it as the caller takes, its tokens, and why it ends there."""
    calls = sum(type(utterance) is ToolCalled for utterance in said)
    tokens = len(said) - calls
    natural: FinishReason = "tool_calls" if calls else "stop"
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
