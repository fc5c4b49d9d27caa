"""Is the audit log as it was written? Each chain against itself, against its published end, and against the topic."""

from collections import defaultdict
from dataclasses import dataclass

from pydantic import ValidationError

from cli.environment import Environment
from cli.kafka import reading
from cli.spending.asking import ledger
from services.accounting.ledger.audit_entries import audit_entries, published_ends
from shared.audit import ChainCheck, Fault
from shared.contracts import AuditEntry
from shared.topics import AUDIT

__all__ = ["Verified", "verified"]

Published = dict[str, dict[int, str]]
"""The hash of each published entry, by tenant and place."""


@dataclass(frozen=True, slots=True)
class Verified:
    chains: int
    entries: int
    faults: tuple[Fault, ...]


async def verified(environment: Environment, tenant: str | None, *, topic: bool) -> Verified:
    """Raises OperatorError. What was published must be in the table, so the topic is read first."""
    elsewhere, faults = await _on_topic(environment) if topic else (defaultdict[str, dict[int, str]](dict), [])
    checks: dict[str, ChainCheck] = {}
    entries = 0
    async with ledger(environment) as engine:
        for of, (seq, digest) in (await published_ends(engine)).items():
            elsewhere[of].setdefault(seq, digest)
        for of, known in elsewhere.items():
            checks[of] = ChainCheck(of, known)
        async for entry in audit_entries(engine, tenant):
            entries += 1
            faults += checks.setdefault(entry.tenant, ChainCheck(entry.tenant)).see(entry)
    wanted = [check for check in checks.values() if tenant in (None, check.tenant)]
    for check in wanted:
        faults += check.end()
    return Verified(len(wanted), entries, tuple(fault for fault in faults if tenant in (None, fault.tenant)))


async def _on_topic(environment: Environment) -> tuple[defaultdict[str, dict[int, str]], list[Fault]]:
    found: defaultdict[str, dict[int, str]] = defaultdict(dict)
    faults: list[Fault] = []
    async with reading(environment.kafka, [AUDIT.at(environment.topic_prefix)]) as topic:
        async for record in topic.records_so_far():
            try:
                entry = AuditEntry.model_validate_json(record.value or b"")
            except ValidationError:
                faults.append(Fault("", 0, f"the record {record.offset} of the topic is no entry"))
                continue
            if found[entry.tenant].setdefault(entry.seq, entry.hash) != entry.hash:
                faults.append(Fault(entry.tenant, entry.seq, "the topic has two that differ"))
    return found, faults
