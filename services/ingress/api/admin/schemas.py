"""What the admin API takes and gives. A field of a request that nobody knows is an error."""

from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt

from services.ingress.admission import Limits
from services.ingress.directory import KeyRecord, TeamRecord, TenantRecord
from shared.clock import unix_seconds
from shared.config.budgets import Dollars, Per
from shared.contracts import Lane

__all__ = [
    "KeyChange",
    "KeyList",
    "KeyMade",
    "KeyObject",
    "LimitsBody",
    "NewKey",
    "NewTeam",
    "NewTenant",
    "Rotation",
    "TeamChange",
    "TeamList",
    "TeamObject",
    "TenantChange",
    "TenantList",
    "TenantObject",
]

NAME = r"^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$"
Name = Annotated[str, Field(pattern=NAME)]
PLAIN = r"^[^\u0000]*$"
"""PostgreSQL's texts have no such character."""
Text = Annotated[str, Field(max_length=512, pattern=PLAIN)]
Note = Text
Tags = Annotated[dict[Annotated[str, Field(min_length=1, max_length=64, pattern=PLAIN)], Text], Field(max_length=16)]
Model = Annotated[str, Field(min_length=1, max_length=256, pattern=PLAIN)]
Models = Annotated[list[Model], Field(min_length=1, max_length=256)]
Lanes = Annotated[list[Lane], Field(min_length=1, max_length=2)]
Most = Annotated[StrictInt, Field(gt=0, le=10_000_000_000)]


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("no such time zone; expected a name such as Europe/Berlin")
    return name


def _written(moment: object) -> object:
    """Not a number, which might be seconds or milliseconds."""
    if moment is not None and not isinstance(moment, str):
        raise ValueError("expected a moment with its time zone, such as 2027-01-31T12:00:00Z")
    return moment


Moment = Annotated[AwareDatetime, BeforeValidator(_written)]
TimeZone = Annotated[str, AfterValidator(_known_zone)]


class Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Given(BaseModel):
    model_config = ConfigDict(frozen=True)


class LimitsBody(Asked):
    """What is left out is unlimited."""

    requests_per_minute: Most | None = None
    tokens_per_minute: Most | None = None
    """Input and output together."""
    concurrency: Most | None = None
    """Interactive jobs at once, from their acceptance to their end."""

    @classmethod
    def of(cls, limits: Limits) -> Self:
        return cls(
            requests_per_minute=limits.requests_per_minute,
            tokens_per_minute=limits.tokens_per_minute,
            concurrency=limits.concurrency,
        )

    def limits(self) -> Limits:
        return Limits(self.requests_per_minute, self.tokens_per_minute, self.concurrency)


class NewTerms(Asked):
    """What tenants, teams and keys are made with alike."""

    note: Note = ""
    limits: LimitsBody = LimitsBody()
    tags: Tags = {}


class ChangedTerms(Asked):
    """What is left out stays as it is."""

    note: Note | None = None
    blocked: StrictBool | None = None
    limits: LimitsBody | None = None
    tags: Tags | None = None


class Terms(Given):
    note: str
    blocked: bool
    limits: LimitsBody
    tags: dict[str, str]
    created_at: int
    changed_at: int


def terms_of(record: TenantRecord | TeamRecord | KeyRecord) -> dict[str, Any]:
    return {
        "note": record.note,
        "blocked": record.blocked,
        "limits": LimitsBody.of(record.limits),
        "tags": dict(record.tags),
        "created_at": unix_seconds(record.created_at),
        "changed_at": unix_seconds(record.changed_at),
    }


class NewTenant(NewTerms):
    tenant: Name
    time_zone: TimeZone = "UTC"


class TenantChange(ChangedTerms):
    time_zone: TimeZone | None = None


class TenantObject(Terms):
    object: Literal["tenant"] = "tenant"
    tenant: str
    time_zone: str

    @classmethod
    def of(cls, record: TenantRecord) -> Self:
        return cls(tenant=record.tenant, time_zone=record.time_zone, **terms_of(record))


class TenantList(Given):
    object: Literal["list"] = "list"
    data: list[TenantObject]
    has_more: bool


class NewTeam(NewTerms):
    team: Name


class TeamChange(ChangedTerms):
    pass


class TeamObject(Terms):
    object: Literal["team"] = "team"
    tenant: str
    team: str

    @classmethod
    def of(cls, record: TeamRecord) -> Self:
        return cls(tenant=record.tenant, team=record.team, **terms_of(record))


class TeamList(Given):
    object: Literal["list"] = "list"
    data: list[TeamObject]
    has_more: bool


class KeyBudget(Asked):
    """How much the key may spend."""

    dollars: Dollars
    per: Per = "month"


class NewKey(NewTerms):
    tenant: Name
    id: Name | None = None
    """Stands in the key; made up when left out."""
    team: Name | None = None
    models: Models = ["*"]
    """`*` is any."""
    lanes: Lanes = list(Lane)
    expires_at: Moment | None = None
    budget: KeyBudget | None = None
    """A hard budget of its own, which is made with it."""
    tags: Tags = {}
    """Stand in the ledger with each of its jobs, whatever the request says."""


class KeyChange(ChangedTerms):
    """What is left out stays as it is; `expires_at: null` lets the key live for ever."""

    models: Models | None = None
    lanes: Lanes | None = None
    expires_at: Moment | None = None


class Rotation(Asked):
    overlap_seconds: Annotated[StrictInt, Field(ge=0, le=30 * 86_400)] = 86_400
    """How long the old secret is taken as well."""


class KeyObject(Terms):
    object: Literal["key"] = "key"
    id: str
    tenant: str
    team: str | None
    models: list[str]
    lanes: list[Lane]
    expires_at: int | None
    revoked_at: int | None
    previous_until: int | None
    """Until when the secret before the last rotation is taken as well."""

    @classmethod
    def of(cls, record: KeyRecord) -> Self:
        return cls(
            id=record.key_id,
            tenant=record.tenant,
            team=record.team,
            models=list(record.models),
            lanes=list(record.lanes),
            expires_at=unix_seconds(record.expires_at) if record.expires_at else None,
            revoked_at=unix_seconds(record.revoked_at) if record.revoked_at else None,
            previous_until=unix_seconds(record.previous_until) if record.previous_until else None,
            **terms_of(record),
        )


class KeyMade(KeyObject):
    key: str
    """The key itself. It is stored nowhere, and cannot be shown again."""

    @classmethod
    def with_key(cls, record: KeyRecord, key: str) -> Self:
        return cls(**KeyObject.of(record).model_dump(), key=key)


class KeyList(Given):
    object: Literal["list"] = "list"
    data: list[KeyObject]
    has_more: bool
