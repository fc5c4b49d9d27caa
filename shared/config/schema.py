"""What `sluice.yaml` may say. Every field is documented here; JSON Schema and reference page are made from it."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from shared.config.auditing import Auditing
from shared.config.budgets import Budget, Budgets
from shared.config.names import Name
from shared.config.patience import Breaker, Bulkhead, Hedge, Retries, Seconds, Timeouts
from shared.config.pricing import LongContext, PriceOverride
from shared.config.providers import Provider
from shared.config.quirks import Quirks
from shared.config.rules import FallbacksFor, Rule
from shared.config.tenants import Administrator, Caller, Rates, SubmitTopic, Team, Tenant, TopicName
from shared.contracts import Interruption, Lane

__all__ = [
    "Administrator",
    "Auditing",
    "Breaker",
    "Budget",
    "Budgets",
    "Bulkhead",
    "Caller",
    "Config",
    "Deployment",
    "Hedge",
    "Limits",
    "LongContext",
    "Model",
    "PriceOverride",
    "Provider",
    "Quirks",
    "Quota",
    "Rates",
    "Retention",
    "Retries",
    "Rule",
    "SubmitTopic",
    "Team",
    "Tenant",
    "Timeouts",
]

_TENANT_PARTITIONS: Final = 2


class Section(BaseModel):
    """An unknown key is an error, with its path: a typing mistake must not be a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Quota(Section):
    """What a provider lets one account call. All workers together call as much and no more; what waits for it waits.

    Of what is not said, the headers of its answers tell, and its refusals.
    """

    requests_per_minute: PositiveInt | None = None
    requests_per_second: PositiveInt | None = None
    tokens_per_minute: PositiveInt | None = None
    """Input and output together: counted as the input and as much output as was asked for at most, and corrected by
    what was really used."""
    concurrency: PositiveInt | None = None
    """Calls at once. An eighth of them is kept for interactive jobs."""
    burst_seconds: Annotated[float, Field(gt=0, le=60)] | None = None
    """How many seconds' worth the provider lets pass at once after a quiet time, where it counts by a bucket.

    When left out: one, and a minute's limit is undercut by 1.3 % so that it holds for whoever counts by the minute.
    """


class Deployment(Section):
    """One place that can serve a model."""

    provider: Name
    model: str | None = None
    """The id to ask the provider for; the model's own name when left out."""
    name: Name | None = None
    """How it is called in plans, ledgers and metrics; `<provider>/<model>` when left out."""
    region: str | None = None
    """Stands in the ledger, and rules may go by it."""
    context_window: PositiveInt | None = None
    """Instead of the model's, where it is smaller or larger here."""
    weight: PositiveInt = 1
    """For `weighted`, `round-robin` and `least-in-flight`."""
    limits: Quota = Quota()
    """What the provider's account may use of this model."""
    bulkhead: Bulkhead | None = None
    """So that a slow deployment does not take all slots of a worker."""
    timeouts: Timeouts | None = None
    """Instead of the model's, or the file's."""


class Model(Section):
    """A name that callers ask for, and who can serve it."""

    deployments: Annotated[tuple[Deployment, ...], Field(min_length=1)]
    """In order of preference."""
    strategy: Literal["priority", "weighted", "round-robin", "least-in-flight", "latency", "cost"] = "priority"
    """Which of them is asked first, and who follows when it fails.

    `priority` goes in this order. `weighted` draws lots and `round-robin` takes turns, as often as the weights say;
    `least-in-flight` takes who has the fewest calls of all workers, for its weight; `latency` the quicker of two drawn
    by lot, by the time to the first token; `cost` the cheapest for the job's tokens.
    """
    hedge: Hedge | None = None
    fallbacks: tuple[str, ...] = ()
    """Models to go on with when no deployment of this one answers. The answer names the model that gave it."""
    fallbacks_for: FallbacksFor = FallbacksFor()
    limits: Rates = Rates()
    """What all callers together may ask of it."""
    context_window: PositiveInt | None = None
    """Tokens of input and output together; from the catalogue when left out, unlimited when unknown there."""
    max_output_tokens: PositiveInt | None = None
    """As `context_window`, of output alone."""
    timeouts: Timeouts | None = None
    """Instead of the file's."""


class Limits(Section):
    body_bytes: Annotated[int, Field(gt=0, le=33_554_432)] = 33_554_432
    """413 above it. What does not fit into a Kafka record (900,000 bytes) travels through the blob store."""
    job_seconds: Seconds = 600
    """The deadline of an interactive job, counted from its acceptance."""
    batch_job_seconds: Seconds = 86_400
    """The same of a batch job. A caller may ask for less than these, not for more."""
    schedule_seconds: Annotated[float, Field(ge=0, le=30 * 86_400)] = 86_400
    """How far ahead a job may be scheduled; its deadline counts from then."""
    signature_seconds: Annotated[int, Field(gt=0, le=86_400)] = 3600
    """How old the signature of a record may be; what is found later on a submit topic is set aside."""
    batch_above_rate: Literal["wait", "refuse"] = "wait"
    """What becomes of a batch job that comes faster than a limit of its key, team, tenant or model allows."""
    rates_without_redis: Literal["open", "closed"] = "open"
    """Whether jobs under such a limit are accepted, uncounted, while Redis is away, or refused with a 503."""


class Retention(Section):
    """What is kept where, and how long."""

    job_log_seconds: PositiveInt = 3600
    """How long an ended job's stream can be read again token by token; afterwards its result comes from Postgres."""
    idempotency_seconds: PositiveInt = 86_400
    """How long after a job's deadline its `Idempotency-Key` still stands for it."""
    large_answer_seconds: PositiveInt = 604_800
    """How long an answer that is too large for a Kafka record stays in the blob store, and can be read."""
    ledger_months: PositiveInt | None = None
    """How many whole months the ledger and what changed in it are kept, beside the one that runs; for ever when left
    out. The sums by hour and day stay."""
    content: bool = True
    """Whether prompts and answers are kept in the `jobs` table. Usage and cost always are."""


class Config(Section):
    """The whole file. `parse_config` checks besides that the names in it mean something (`references.py`)."""

    version: Literal[1] = 1
    tenants: dict[Name, Tenant] = {}
    administrators: dict[Name, Administrator] = {}
    """Who may use the admin API, by the name in their key: `sla_<name>_<secret>`."""
    submit_topics: dict[TopicName, SubmitTopic] = {}
    providers: dict[Name, Provider] = {}
    models: dict[Name, Model] = {}
    rules: tuple[Rule, ...] = ()
    """Who may serve which job."""
    prices: tuple[PriceOverride, ...] = ()
    budgets: Budgets = Budgets()
    audit: Auditing = Auditing()
    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    breaker: Breaker | None = Breaker()
    """When a deployment that keeps failing is left alone for a while; `null` switches that off."""
    limits: Limits = Limits()
    retention: Retention = Retention()
    on_interrupt: Interruption = Interruption.RESTART
    """For jobs that do not say it themselves.

    A plain chat stream defaults to `fail`: it cannot unsay what it showed.
    """

    def deployment_name(self, model: str, deployment: Deployment) -> str:
        return deployment.name or f"{deployment.provider}/{deployment.model or model}"

    @property
    def weights(self) -> dict[str, int]:
        return {name: tenant.weight for name, tenant in self.tenants.items()}

    @property
    def partial_answers(self) -> dict[str, str]:
        """What each tenant pays of calls that did not succeed."""
        return {name: tenant.partial_answers for name, tenant in self.tenants.items()}

    def batch_partitions(self, tenant: str) -> int | None:
        """How many partitions of the batch lane are the tenant's; None is all of them."""
        section = self.tenants.get(tenant)
        if section is not None and section.batch_partitions is not None:
            return section.batch_partitions
        is_alone = section is not None and len(self.tenants) == 1
        return None if is_alone else _TENANT_PARTITIONS

    @property
    def job_time(self) -> dict[Lane, timedelta]:
        return {
            Lane.INTERACTIVE: timedelta(seconds=self.limits.job_seconds),
            Lane.BATCH: timedelta(seconds=self.limits.batch_job_seconds),
        }
