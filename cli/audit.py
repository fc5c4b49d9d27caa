"""`sluice audit`: who did what, and whether the log of it is as it was written."""

import asyncio
from typing import Annotated

import typer

from cli.exit_codes import ExitCode

__all__ = ["audit"]

audit = typer.Typer(help="Show and verify the audit log.", no_args_is_help=True, rich_markup_mode=None)

Tenant = Annotated[str | None, typer.Option(help="Only this one's chain; - is the house's own.", show_default=False)]


@audit.command("list")
def list_entries(
    tenant: Tenant = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON array.")] = False,
) -> None:
    """List what was done, newest first.

    \b
    Examples:
      sluice audit list
      sluice audit list --tenant acme --json | jq .[].details
    """
    from cli.environment import here
    from cli.printing import print_json, print_table, remark
    from cli.spending.asking import ledger
    from services.accounting.ledger.audit_entries import latest_entries
    from shared.contracts import AuditEntry

    async def found() -> list[AuditEntry]:
        async with ledger(here()) as engine:
            return await latest_entries(engine, tenant, limit)

    entries = asyncio.run(found())
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
    elif entries:
        rows = [
            (
                entry.at.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z"),
                entry.tenant,
                str(entry.seq),
                entry.action,
                entry.subject,
                entry.actor,
            )
            for entry in entries
        ]
        print_table(("WHEN", "TENANT", "NUMBER", "ACTION", "SUBJECT", "BY"), rows, right={"NUMBER"})
    else:
        remark("Nothing yet.")


@audit.command("verify")
def verify(
    tenant: Tenant = None,
    topic: Annotated[bool, typer.Option("--topic/--no-topic", help="Compare with what was published, too.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Verify that no entry was changed, removed or moved since it was written.

    Each entry carries the hash of the one before it; how far each chain was published stands beside the table, and the
    topic has every entry once more. Exit code 4 when something is wrong. Run it every night.

    \b
    Examples:
      sluice audit verify
      sluice audit verify --tenant acme --json | jq .faults
    """
    from cli.auditing.verifying import verified
    from cli.environment import here
    from cli.printing import print_json, print_table, say

    found = asyncio.run(verified(here(), tenant, topic=topic))
    rows = [(fault.tenant, str(fault.seq), fault.what) for fault in found.faults]
    if as_json:
        faults = [dict(zip(("tenant", "seq", "what"), row, strict=True)) for row in rows]
        print_json({"chains": found.chains, "entries": found.entries, "faults": faults})
    else:
        if rows:
            print_table(("TENANT", "NUMBER", "WHAT"), rows, right={"NUMBER"})
        say(f"{len(rows):,} faults in {found.entries:,} entries of {found.chains:,} chains.")
    if rows:
        raise typer.Exit(ExitCode.SOME_FAILED)
