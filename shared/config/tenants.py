"""Who may ask, and as whom? Tenants, their teams and keys, administrators, and topics that submit as a key."""

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PositiveInt, model_validator

from shared.config.budgets import Budget
from shared.config.names import Name, TimeZone
from shared.contracts import Lane

__all__ = ["Administrator", "Caller", "Rates", "SubmitTopic", "Team", "Tenant", "TopicName"]

TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
Hash = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Tag = Annotated[str, Field(min_length=1, max_length=64)]
TagText = Annotated[str, Field(max_length=512)]
Most = Annotated[int, Field(gt=0, le=10_000_000_000)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Administrator(Section):
    """A key of the admin API. Only its hash is stored; `sluice keys new NAME --admin` prints both."""

    hash: Hash


class Rates(Section):
    """How much may be asked for. What is left out is unlimited.

    A minute's worth may come at once after a quiet time; then it comes back evenly. A batch job above the rate waits
    for its turn, an interactive one is refused with the time after which it may come again.
    """

    requests_per_minute: Most | None = None
    tokens_per_minute: Most | None = None
    """Input and output together: taken as the input and as much output as the request allows at most, and corrected by
    what was really used when the job ends."""
    concurrency: Most | None = None
    """Interactive jobs at once, from their acceptance to their end."""


class Caller(Section):
    """An API key of a tenant. Only its hash is stored; `sluice keys new` prints both."""

    hash: Hash
    models: tuple[str, ...] = ("*",)
    """Which models it may ask for; `*` is any."""
    lanes: tuple[Lane, ...] = (Lane.INTERACTIVE, Lane.BATCH)
    """Which lanes it may use."""
    team: Name | None = None
    """Stands in the ledger, for asking what each team of a tenant costs."""
    expires: AwareDatetime | None = None
    """From then on it is refused."""
    tags: dict[Tag, TagText] = {}
    """Stand in the ledger with each of its jobs, before the tags of the request's own `metadata`."""
    limits: Rates = Rates()


class Team(Section):
    """What all keys of a team have in common. A key may name a team that has no section."""

    limits: Rates = Rates()


class Tenant(Section):
    keys: dict[Name, Caller] = {}
    """By the key's public id, which is part of the key itself: `slk_<public id>_<secret>`.

    More keys, of this and of other tenants, may be in the database: docs/tenants.md.
    """
    teams: dict[Name, Team] = {}
    limits: Rates = Rates()
    """Of all keys of the tenant together, those of the database too."""
    weight: Annotated[int, Field(ge=1, le=1000)] = 1
    """Its share of the workers while others wait too: a tenant of weight 3 gets three times the tokens of one of 1."""
    partial_answers: Literal["charge", "charge-cancelled", "free"] = "charge"
    """What it pays of calls that did not succeed, although they may have cost something.

    `charge`: what was used; `charge-cancelled`: only of those that its caller stopped; `free`: nothing. The ledger has
    the cost in any case, and names the rule.
    """
    time_zone: TimeZone = "UTC"
    """Whose days and months its budgets go by, such as `Europe/Berlin`."""
    budgets: tuple[Budget, ...] = ()
    """How much it may spend."""
    batch_partitions: PositiveInt | None = None
    """On how many partitions of the batch lane its jobs stand, and so how many workers they keep busy at most.

    The fewer, the fewer others wait behind its backlog. When left out: 2, or all of them for the file's only tenant.
    """


class SubmitTopic(Section):
    """Who submits by this topic: one caller, named here, or whoever has signed the record."""

    tenant: Name | None = None
    """Whoever may write to the topic submits as this caller: the broker's ACLs are the lock."""
    caller: Name | None = None
    """One of the tenant's keys in this file."""
    signed: bool = False
    """Instead of `tenant` and `caller`: every record is signed with the key it submits as (docs/tenants.md)."""
    lane: Lane = Lane.BATCH

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        named = (self.tenant is not None, self.caller is not None)
        if named != (not self.signed, not self.signed):
            raise ValueError("needs `tenant` and `caller`, or `signed: true` without them")
        return self
