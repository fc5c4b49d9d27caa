"""What may the operator say about prices? An entry holds for a model, or several, in a time and a class of service."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from shared.config.names import Name
from shared.contracts import Unit

__all__ = ["LongContext", "PriceOverride"]

Dollars = Annotated[Decimal, Field(ge=0)]


class LongContext(BaseModel):
    """Other prices for all tokens of a call whose input is longer than this."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    above: PositiveInt
    """Tokens of input, cached ones included."""
    input: Dollars
    output: Dollars
    cache_read: Dollars | None = None
    """As its `input` when left out."""
    cache_write: Dollars | None = None
    """As its `input` when left out."""


class PriceOverride(BaseModel):
    """A price of your own: negotiated, self-hosted, with markup. In US dollars per million tokens.

    Of several that fit a call, the exact model goes before a prefix and the longer prefix before the shorter; then the
    tier that was named before any tier; then the latest `since`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Name
    model: str
    """The upstream id; a trailing `*` matches any ending."""
    tier: Name | None = None
    """Only for calls that the provider served in this class: `flex`, `priority`, `batch`. Else for all of them."""
    since: date | None = None
    """The first day, UTC, on which it holds."""
    until: date | None = None
    """The first day, UTC, on which it holds no longer."""
    of_list: Dollars | None = None
    """Instead of prices: which part of the public list price you pay; `0.85` is a discount, `1.2` a markup."""
    input: Dollars | None = None
    output: Dollars | None = None
    cache_read: Dollars | None = None
    """As `input` when left out."""
    cache_write: Dollars | None = None
    """As `input` when left out."""
    reasoning: Dollars | None = None
    """As `output`, of which it is a part, when left out."""
    long_context: tuple[LongContext, ...] = ()
    per_request: Dollars | None = None
    """Dollars for each call that was served, beside its tokens."""
    extras: dict[Unit, Dollars] = {}
    """Of what may have a price of its own: dollars for each `web_search`, and per million tokens of `cache_write_1h`,
    `input_audio`, `input_image`, `output_audio` and `output_image`, which are parts of their buckets."""

    @model_validator(mode="after")
    def _says_one_price(self) -> Self:
        prices = ("input", "output", "cache_read", "cache_write", "reasoning", "long_context", "per_request", "extras")
        if self.of_list is not None and self.model_fields_set & set(prices):
            raise ValueError("with `of_list` the prices are those of the list; leave the others out")
        if self.of_list is None and (self.input is None or self.output is None):
            raise ValueError("needs `input` and `output`, or `of_list`")
        if self.since and self.until and self.since >= self.until:
            raise ValueError("`until` must come after `since`")
        return self
