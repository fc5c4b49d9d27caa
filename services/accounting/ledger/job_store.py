"""How does a job get its row? The two kinds of message each fill their own columns, once, in whichever order."""

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.dml import ReturningInsert

from services.accounting.ledger.batches import Batches
from services.accounting.ledger.job_rows import ACCEPTED, ENDED, QUEUED, accepted_row, ended_row
from services.accounting.ledger.staging import Staging
from services.accounting.ledger.tables import jobs
from services.accounting.ports import Added, Consumed
from shared.config.schema import Retention
from shared.contracts import BlobRef, Job, JobEnded, JsonObject

__all__ = ["PostgresJobs"]


_NAMED = ("job_id", "tenant", "caller", "custom_id", "lane", "feature", "model_asked", "status", "accepted_at")
"""What a row has from its first message on, whichever that was."""


def _filling(
    staging: Staging, open_while: ColumnElement[bool], *, keep: Collection[str]
) -> ReturningInsert[tuple[str]]:
    """Insert what waits; of a row that is there already, fill its columns but `keep`, as long as they are open."""
    insertion = insert(jobs).from_select(staging.columns, staging.rows())
    return insertion.on_conflict_do_update(
        index_elements=jobs.primary_key,
        set_={name: insertion.excluded[name] for name in staging.columns if name not in keep},
        where=open_while,
    ).returning(jobs.c.job_id)


_accepted = Staging("incoming_accepted", jobs, ACCEPTED)
_accepting = Batches(_accepted, _filling(_accepted, jobs.c.door.is_(None), keep=_NAMED))

_ended = Staging("incoming_ended", jobs, ENDED)
_ending = Batches(_ended, _filling(_ended, jobs.c.status == QUEUED, keep={*_NAMED} - {"status"}))


def _kept(content: JsonObject | None, blob: BlobRef | None, retention: Retention) -> JsonObject | None:
    """What is too large for a record is not copied into a row either: the row says where it was left."""
    if not retention.content:
        return None
    return content if blob is None else {"object": "blob", "key": blob.key, "size": blob.size}


class PostgresJobs:
    """The port `JobShelf`."""

    def __init__(self, engine: AsyncEngine, retention: Retention) -> None:
        self._engine = engine
        self.retention = retention

    async def accept(self, accepted: Sequence[Job], consumed: Consumed) -> Added:
        first = {job.id: job for job in reversed(accepted)}.values()
        rows = [accepted_row(job, content=_kept(job.body, job.body_blob, self.retention)) for job in first]
        return Added(rows=len(await _accepting.write(self._engine, rows, consumed)))

    async def end(self, ended: Sequence[JobEnded], consumed: Consumed) -> Added:
        first = {end.job_id: end for end in reversed(ended)}.values()
        rows = [ended_row(end, content=_kept(end.response, end.response_blob, self.retention)) for end in first]
        return Added(rows=len(await _ending.write(self._engine, rows, consumed)))
