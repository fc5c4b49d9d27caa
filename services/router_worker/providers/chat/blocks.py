"""How is a conversation written where speech and reply take turns, each in blocks, and instructions stand above?

That is how Claude is spoken to, and Bedrock's Converse; what a block looks like is each family's own.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Protocol

from pydantic import JsonValue

from services.router_worker.providers.chat.messages import (
    Assistant,
    Part,
    System,
    ToolCall,
    ToolResult,
    Turn,
    User,
    sides,
)
from services.router_worker.providers.chat.reading import lack
from shared.contracts import JsonObject

__all__ = ["Blocks", "arguments_of", "in_blocks"]


class Blocks(Protocol):
    """A family's own. What it has no words for raises UnsupportedError."""

    def part(self, part: Part, place: str) -> Iterable[JsonObject]:
        """None for what says nothing: an empty block is an error there."""
        ...

    def text(self, text: str) -> JsonObject: ...

    def thought(self, block: JsonObject) -> JsonObject | None:
        """None for thoughts of other families, which lack what would make them genuine here."""
        ...

    def use(self, call: ToolCall, arguments: JsonObject) -> JsonObject: ...

    def result(self, call_id: str, content: list[JsonValue]) -> JsonObject: ...


def in_blocks(
    turns: tuple[Turn, ...], blocks: Blocks, resume_text: str | None, *, prefill: bool
) -> tuple[list[JsonValue], list[JsonValue]]:
    """The system prompt and the messages. Instructions in the middle move to the beginning, as in Anthropic's own layer
    for OpenAI's clients (platform.claude.com/docs/en/api/openai-sdk).

    `prefill` says whether the model goes on behind what was begun for it.
    """
    places = {id(turn): f"messages[{index}]" for index, turn in enumerate(turns)}
    system: list[JsonValue] = []
    for turn in turns:
        if isinstance(turn, System):
            system.extend(_parts(blocks, turn.content, places[id(turn)]))
    spoken = [turn for turn in turns if not isinstance(turn, System)]
    messages: list[JsonValue] = []
    for side in sides(spoken):
        said: list[JsonValue] = [block for turn in side.turns for block in _turn(blocks, turn, places[id(turn)])]
        if said:
            messages.append({"role": "assistant" if side.is_assistant else "user", "content": said})
    begun = bool(resume_text) or (bool(spoken) and isinstance(spoken[-1], Assistant))
    if begun and not prefill:
        lack(f"messages[{len(turns) - 1}]", "cannot come last: this model does not go on behind what was begun for it")
    if resume_text:
        # What was begun may not end in white space.
        messages.append({"role": "assistant", "content": [blocks.text(resume_text.rstrip())]})
    return system, messages


def arguments_of(call: ToolCall, place: str) -> JsonObject:
    """Raises UnsupportedError when they are none that could be sent as an object."""
    try:
        arguments = json.loads(call.function.arguments or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        lack(f"{place}.function.arguments", "is no JSON object")
    return arguments


def _turn(blocks: Blocks, turn: Turn, place: str) -> Iterator[JsonObject]:
    match turn:
        case User() | System():
            yield from _parts(blocks, turn.content, place)
        case ToolResult():
            yield blocks.result(turn.tool_call_id, [*_parts(blocks, turn.content, place)])
        case Assistant():
            yield from (thought for block in turn.thinking_blocks if (thought := blocks.thought(block)))
            yield from _parts(blocks, turn.content, place)
            if turn.refusal:
                yield blocks.text(turn.refusal)
            for index, call in enumerate(turn.tool_calls):
                yield blocks.use(call, arguments_of(call, f"{place}.tool_calls[{index}]"))


def _parts(blocks: Blocks, parts: tuple[Part, ...], place: str) -> Iterator[JsonObject]:
    for index, part in enumerate(parts):
        yield from blocks.part(part, f"{place}.content[{index}]")
