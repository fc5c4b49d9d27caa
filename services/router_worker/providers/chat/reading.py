"""Can a family be asked for all of a request? What it cannot is a value, told before any call; nothing is left out.

A dialect names the parameters that it honours. Any other that would make a difference ends the reading, and so does
every field inside of a message or a tool that is not known. Parameters that Sluice itself answers for (streaming, tags)
pass, and so do values that ask for nothing.
"""

from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Annotated, Final, NoReturn

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from services.router_worker.failures import Unsupported
from services.router_worker.providers.chat.messages import Assistant, Shape, ToolResult, Turn
from services.router_worker.providers.chat.settings import Format, Tool, ToolChoice
from shared.contracts import JsonObject

__all__ = ["Chat", "UnsupportedError", "asks_nothing", "lack", "read_chat"]

_OURS: Final = frozenset({"model", "messages", "stream", "stream_options", "metadata", "user", "safety_identifier"})
"""Answered for by Sluice: tags and users stand in the ledger, the rest in other places of a call."""

_ASKS_NOTHING: Final[Mapping[str, tuple[JsonValue, ...]]] = {
    "n": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "parallel_tool_calls": (True,),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "stop": ([],),
    "store": (False,),
    "tool_choice": ("auto",),
    "tools": ([],),
    "verbosity": ("medium",),
}
"""Values that are the same as saying nothing."""


_KINDS: Final = frozenset(
    {"assistant", "developer", "file", "image_url", "input_audio", "refusal", "system", "text", "tool", "user"}
)


def asks_nothing(name: str, value: JsonValue) -> bool:
    """Whether this value of a parameter is the same as leaving it out."""
    return value is None or value in _ASKS_NOTHING.get(name, ())


class UnsupportedError(Exception):
    """Ends the reading or the writing of a request. Never leaves a dialect's `encode`."""

    def __init__(self, what: Unsupported) -> None:
        super().__init__(str(what))
        self.what = what


def lack(param: str, reason: str) -> NoReturn:
    raise UnsupportedError(Unsupported(param, reason))


_Tuple = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
_Texts = BeforeValidator(
    lambda value: (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
)


class Chat(Shape):
    """A chat completion request in types. None is what was not asked for."""

    model_config = ConfigDict(extra="allow")

    messages: Annotated[tuple[Annotated[Turn, Field(discriminator="role")], ...], _Tuple]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int = 1
    stop: Annotated[tuple[str, ...], _Texts] = ()
    seed: int | None = None
    tools: Annotated[tuple[Tool, ...], _Tuple] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool = True
    response_format: Format | None = None
    reasoning_effort: str | None = None
    logprobs: bool = False
    top_logprobs: int = 0
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    user: str | None = None

    @property
    def most_output(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def extras(self) -> Mapping[str, JsonValue]:
        """What the dialect honours beyond OpenAI's parameters."""
        return self.model_extra or {}


def read_chat(body: JsonObject, family: str, honours: Collection[str]) -> Chat:
    """Raises UnsupportedError for what `family` has no words for, and for what is no chat completion request at all.

    A family that heeds who of several speaks honours `messages.name`; one that takes back what it painted honours
    `messages.images`.
    """
    for name, value in body.items():
        if name in _OURS or name in honours or asks_nothing(name, value):
            continue
        lack(name, f"is nothing that {family} could be asked for")
    known = {name: value for name, value in body.items() if name == "messages" or name in honours}
    try:
        chat = Chat.model_validate(known)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        words = "is not known" if first["type"] == "extra_forbidden" else f"is not understood: {first['msg']}"
        lack(_path(first["loc"]), words)
    for index, turn in enumerate(chat.messages):
        # The name of a tool is no more than its call says already.
        if turn.name and not isinstance(turn, ToolResult) and "messages.name" not in honours:
            lack(f"messages[{index}].name", f"is nothing that {family} could be told")
        if isinstance(turn, Assistant) and turn.images and "messages.images" not in honours:
            lack(f"messages[{index}].images", f"are nothing that {family} could be shown")
    return chat


def _path(places: tuple[int | str, ...]) -> str:
    """`messages[0].content[1].text`. Behind an item of a list pydantic names its kind, which is no step of the path."""
    path = ""
    for before, place in pairwise(("", *places)):
        if isinstance(place, int):
            path += f"[{place}]"
        elif not (isinstance(before, int) and place in _KINDS):
            path += f".{place}" if path else place
    return path
