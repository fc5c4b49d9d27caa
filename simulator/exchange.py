"""The words in which a call is spoken of, whatever API it came by: what is asked, what happens, what is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from simulator.conversation import Turn
from simulator.script import FinishReason

__all__ = [
    "Ask",
    "Broke",
    "Declined",
    "Ended",
    "Event",
    "Finished",
    "Garbled",
    "Opened",
    "Refusal",
    "Reported",
    "Request",
    "Said",
    "Thought",
    "Tool",
    "ToolCalled",
    "ToolSaid",
    "Usage",
]


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request as it was received."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    keep_alive: bool = True

    def header(self, name: bytes) -> str | None:
        """The first header of that (lower-case) name."""
        for key, value in self.headers:
            if key.lower() == name:
                return value.decode("latin-1")
        return None


class Tool(NamedTuple):
    """A tool the caller offers: its name and its parameters' names and JSON types."""

    name: str
    parameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a call asks for."""

    model: str
    stream: bool
    prompt: bytes
    """A fingerprint of the messages, without the prefix of an answer to be continued."""
    prompt_tokens: int
    prefix: str = ""
    """The beginning of the answer, when the caller wants it continued."""
    choices: int = 1
    max_tokens: int | None = None
    tools: tuple[Tool, ...] = ()
    tools_at_least: int = 0
    """1 when the caller insists on a tool call."""
    top_logprobs: int | None = None
    """None: no log probabilities asked for."""
    usage: bool = False
    """Does the caller want usage in a stream?"""
    usage_with_finish: bool = False
    """Does the API always tell it there, with the end of the answer?"""
    script: str | None = None
    """Overrides of the script that came in the body."""
    turns: tuple[Turn, ...] = ()
    tool_choice: str = "auto"
    """`auto`, `none`, `required`, or the name of the tool that must be called."""
    parallel_tools: bool = True
    stop: tuple[str, ...] = ()
    schema: Mapping[str, object] | None = None
    """The JSON Schema that the answer keeps to; empty when any JSON will do."""
    thinks: bool = False
    """Does the caller want the model to think?"""
    seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    user: str | None = None
    tier: str | None = None
    """The class of service in which the call is to be served, where it is not the usual one."""
    embeds: tuple[str, ...] = ()
    """The texts whose embeddings are wanted, and then nothing else is."""
    dimensions: int | None = None
    base64: bool = False
    """Are they wanted packed?"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that is not served. `type`, `code` and `message` are for the dialect to fill when None."""

    status: int
    message: str | None = None
    type: str | None = None
    code: str | None = None
    param: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None


class Usage(NamedTuple):
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    """With the reasoning tokens, as every provider bills them."""
    reasoning_tokens: int
    written_tokens: int = 0
    """Of the prompt, those that went into a cache."""


# What happens in an answer, in order. NamedTuples because one is made per token.


class Opened(NamedTuple):
    """The answer begins: status line and the empty preamble of every choice."""


class Said(NamedTuple):
    choice: int
    text: str


class Thought(NamedTuple):
    """A piece of the reasoning, shown."""

    choice: int
    text: str


class Declined(NamedTuple):
    """A piece of the words in which the model refuses."""

    choice: int
    text: str


class ToolCalled(NamedTuple):
    choice: int
    tool: int
    call_id: str
    name: str


class ToolSaid(NamedTuple):
    choice: int
    tool: int
    fragment: str


class Finished(NamedTuple):
    choice: int
    reason: FinishReason
    usage: Usage | None = None
    """Given where the script wants the usage on this event."""
    stopped_by: str | None = None
    """The caller's sequence before which the answer ends."""


class Reported(NamedTuple):
    usage: Usage


class Garbled(NamedTuple):
    """One event that cannot be parsed."""


class Broke(NamedTuple):
    """The provider reports its own failure in the middle of the answer."""

    refusal: Refusal


class Ended(NamedTuple):
    """The API's mark of a complete stream."""


Event: TypeAlias = (
    Opened | Said | Thought | Declined | ToolCalled | ToolSaid | Finished | Reported | Garbled | Broke | Ended
)
