"""What can go wrong with a call, and on which calls it does."""

from random import Random
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

__all__ = ["AnyFault", "Break", "Count", "Cut", "Fault", "Garble", "HangUp", "Refuse", "Stall", "Stray", "fault_keys"]

Count = Annotated[int, Field(ge=0, le=1_000_000_000)]


class Fault(BaseModel):
    """Strikes every call, unless `first`, `every` or `probability` say which.

    `per: prompt` counts the calls of each prompt apart: with `first: 1` each prompt fails once and its retry succeeds,
    whatever the order in which prompts arrive. The draw for `probability` hangs on seed, model, prompt and how often
    this prompt came before, so it does not depend on that order either.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: ClassVar[str]
    """The field by which it is recognised."""

    first: Annotated[int, Field(ge=1)] | None = None
    every: Annotated[int, Field(ge=1)] | None = None
    probability: Annotated[float, Field(ge=0, le=1)] | None = None
    per: Literal["model", "prompt"] = "model"

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if sum(rule is not None for rule in (self.first, self.every, self.probability)) > 1:
            raise ValueError("choose one of first, every and probability")
        return self

    def strikes(self, nth_of_model: int, nth_of_prompt: int, rng: Random) -> bool:
        """Does it strike this call? Calls are counted from 1."""
        nth = nth_of_prompt if self.per == "prompt" else nth_of_model
        if self.first is not None:
            return nth <= self.first
        if self.every is not None:
            return nth % self.every == 0
        if self.probability is not None:
            return rng.random() < self.probability
        return True


class Refuse(Fault):
    """Answers with an error status, after the script's `opening`. What is not given is what the API says then."""

    key: ClassVar[str] = "status"
    status: Annotated[int, Field(ge=400, le=599)]
    message: str | None = None
    type: str | None = None
    code: str | None = None
    param: str | None = None
    retry_after: Annotated[str, Field(coerce_numbers_to_str=True, pattern=r"^[ -~]+$")] | None = None
    """The header as it stands: seconds, or an HTTP date."""
    retry_after_ms: Count | None = None
    body: str | None = None
    """Sent as it stands, as text/html: what a proxy in front of a provider answers."""


class Stray(Fault):
    """Somebody else answers in the API's place, or it answers what nobody could expect. A stream or not, all the same.

    `page`: HTML under status 200. `shape`: JSON that is no answer. `error`: an error's body under status 200. `words`:
    plain text. `redirect`: to another address. `line`: one that has no end. `bomb`: little that unpacks into gigabytes.
    """

    key: ClassVar[str] = "stray"
    stray: Literal["page", "shape", "error", "words", "redirect", "line", "bomb"]


class HangUp(Fault):
    """Takes the request and closes the connection without a word."""

    key: ClassVar[str] = "hang_up"
    hang_up: Literal["close", "reset"]


class Cut(Fault):
    """Ends the connection in the middle of the body: by a FIN, or by a reset, which may destroy what is on its way."""

    key: ClassVar[str] = "cut_after"
    cut_after: Count
    cut_by: Literal["close", "reset"] = "close"


class Stall(Fault):
    """Falls silent after so many tokens, for some seconds or (without `stall_for`) until the client leaves."""

    key: ClassVar[str] = "stall_after"
    stall_after: Count
    stall_for: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class Garble(Fault):
    """Puts one event that is not valid JSON after so many tokens, and goes on."""

    key: ClassVar[str] = "malformed_after"
    malformed_after: Count


class Break(Fault):
    """Sends the API's error event after so many tokens and ends. A call without stream gets it as a status."""

    key: ClassVar[str] = "error_after"
    error_after: Count
    error_status: Annotated[int, Field(ge=400, le=599)] = 500
    error_message: str | None = None


_KINDS: tuple[type[Fault], ...] = (Refuse, Stray, HangUp, Cut, Stall, Garble, Break)
_KEYS = tuple(kind.key for kind in _KINDS)


def _kind(value: object) -> str | None:
    if isinstance(value, Fault):
        return value.key
    if not isinstance(value, dict):
        return None
    named = [key for key in _KEYS if key in value]
    return named[0] if len(named) == 1 else None


AnyFault: TypeAlias = Annotated[
    Annotated[Refuse, Tag("status")]
    | Annotated[Stray, Tag("stray")]
    | Annotated[HangUp, Tag("hang_up")]
    | Annotated[Cut, Tag("cut_after")]
    | Annotated[Stall, Tag("stall_after")]
    | Annotated[Garble, Tag("malformed_after")]
    | Annotated[Break, Tag("error_after")],
    Discriminator(
        _kind,
        custom_error_type="fault_kind",
        custom_error_message=f"A fault has exactly one of {', '.join(_KEYS)}",
    ),
]


def fault_keys() -> frozenset[str]:
    """Every key that belongs to a fault, for scripts that write their only fault flat."""
    return frozenset(name for kind in _KINDS for name in kind.model_fields)
