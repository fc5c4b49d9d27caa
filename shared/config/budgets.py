"""How much may be spent, on what, and in which time? And what happens when nobody can tell what was."""

import re
from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, PositiveInt, SecretStr, model_validator

from shared.config.names import Name

__all__ = ["BUDGET_NAME", "Alerts", "Budget", "Budgets", "Dollars", "Per", "Webhook", "parts_of"]

_MOST_DOLLARS = 9_000_000
"""Redis compares amounts as floating point numbers, which are exact to the nanodollar up to here."""

Dollars = Annotated[Decimal, Field(gt=0, le=_MOST_DOLLARS, decimal_places=9)]
Alerts = tuple[Annotated[int, Field(ge=1, le=100)], ...]
Per = Literal["day", "month", "total"]

_WORD: Final = r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}"
_TEXT: Final = r"[^\x00-\x1f]"
BUDGET_NAME: Final = (
    rf"^(day|month|total)( team={_WORD})?( key={_WORD})?( model={_TEXT}{{1,256}}?)?"
    rf"( tag=[^=\x00-\x1f]{{1,64}}={_TEXT}{{1,512}})?$"
)
"""What `Budget.name` says, and all that it can say."""


class Budget(BaseModel):
    """How much a tenant may spend, or a part of it: a team, a key, a model, a label, or several of these at once.

    What counts is the cost of the calls to providers, in the day or month in which their jobs were submitted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dollars: Dollars
    per: Per = "month"
    """In the tenant's `time_zone`; `total` never begins anew."""
    team: Name | None = None
    """Only what this team spends."""
    key: Name | None = None
    """Only what this key of the tenant spends."""
    model: str | None = None
    """Only what is spent when this model is asked for, whoever answers."""
    tag: Annotated[str, Field(pattern=r"^[^=]{1,64}=.{1,512}$")] | None = None
    """Only what requests spend that carry this label in their `metadata`, as `name=value`."""
    alerts: Alerts = (50, 80, 100)
    """An alert is raised once when so many percent are spent."""
    hard: bool = True
    """Whether a request that might go over it is refused. Else there are alerts alone."""

    @property
    def name(self) -> str:
        """Unique within its tenant; the amount is no part of it, so that it may be changed."""
        parts = {"team": self.team, "key": self.key, "model": self.model, "tag": self.tag}
        return " ".join([self.per, *(f"{part}={value}" for part, value in parts.items() if value is not None)])


def parts_of(name: str) -> dict[str, str]:
    """Of a budget's name: what it is per, and what it is of. Empty when it is none.

    A model whose own name holds what begins another part would be taken apart there; no such model can be named here.
    """
    found = re.fullmatch(BUDGET_NAME, name)
    if found is None:
        return {}
    parts = (part[1:].partition("=") for part in found.groups()[1:] if part)
    return {"per": found[1]} | {label: value for label, _, value in parts}


class Webhook(BaseModel):
    """Where events are posted to, signed as standardwebhooks.com says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: HttpUrl
    secret: SecretStr
    """`whsec_` and 24 to 64 bytes in base64."""

    @model_validator(mode="after")
    def _is_a_secret(self) -> Self:
        import base64
        import binascii

        try:
            size = len(base64.b64decode(self.secret.get_secret_value().removeprefix("whsec_"), validate=True))
        except binascii.Error:
            size = 0
        if not 24 <= size <= 64:
            raise ValueError("`secret` must be `whsec_` and 24 to 64 bytes in base64")
        return self


class Budgets(BaseModel):
    """What holds for all budgets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    when_unknown: Literal["refuse", "admit"] = "refuse"
    """What becomes of a request under a hard budget while nobody can tell what was spent: Redis is away, or its book is
    being made anew from the ledger. Refused, it gets a 503 and may come again; a record of a submit topic waits."""
    when_unpriced: Literal["refuse", "admit"] = "refuse"
    """What becomes of a request under a hard budget when one of those who may answer it has no known price."""
    output_tokens: PositiveInt = 32_768
    """Reserved for the answer of a model whose own bound nobody knows, where the request names none; the provider is
    then asked for no more (`max_completion_tokens`)."""
    webhook: Webhook | None = None
    """Gets the alerts, beside the topic and the log."""
