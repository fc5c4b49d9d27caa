"""What accounting takes from its environment, beside what every process takes."""

from pydantic import Field

from shared.settings import CommonSettings

__all__ = ["Settings"]


class Settings(CommonSettings):
    probe_host: str = Field("0.0.0.0", validation_alias="SLUICE_PROBE_HOST")
    """Where the probes listen."""
    probe_port: int = Field(9102, validation_alias="SLUICE_ACCOUNTING_PROBE_PORT")
    """`/livez`, `/readyz`, `/metrics`; 0 takes any free port."""
    usage_batch_records: int = Field(10_000, gt=0, le=50_000, validation_alias="SLUICE_USAGE_BATCH_RECORDS")
    """At most so many usage events in one transaction; a backlog is worked off in batches of this size."""
    job_batch_records: int = Field(200, gt=0, le=5000, validation_alias="SLUICE_JOB_BATCH_RECORDS")
    """As above, of jobs and results: these carry whole prompts and answers."""
    session_seconds: float = Field(6.0, gt=0, validation_alias="SLUICE_SESSION_SECONDS")
    """A process unheard by Kafka for this long loses its partitions to the others."""
    budget_reopen_seconds: float = Field(15.0, ge=0, validation_alias="SLUICE_BUDGET_REOPEN_SECONDS")
    """How long after Redis has lost a book of budgets it is opened again at the earliest: longer than an ingress waits
    for Kafka (`SLUICE_SUBMIT_SECONDS`)."""
    migrate_at_start: bool = Field(True, validation_alias="SLUICE_MIGRATE_AT_START")
    """Off where `python -m services.accounting migrate` is run by itself before a deployment."""
