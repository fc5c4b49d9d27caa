"""`sluice usage top`: who uses most."""

import asyncio
from typing import Annotated

import typer

from cli.spending.options import AsCsv, AsJson, AsParquet, By, Since, Tenant, Until

__all__ = ["top"]


def top(
    by: By = "tenant,caller",
    since: Since = "24h",
    until: Until = None,
    tenant: Tenant = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 10,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    parquet: AsParquet = None,
) -> None:
    """Show what cost most, the dearest first; of what costs the same, what used most tokens.

    \b
    Examples:
      sluice usage top
      sluice usage top --by user --tenant acme --since 7d -n 20
      sluice usage top --by feature,model --since 30d --json
    """
    from cli.environment import here
    from cli.spending.asking import Question, asked
    from cli.spending.forms import total
    from cli.spending.showing import Form, show

    form, question = Form(as_csv, as_json, parquet), Question.of(by, since, until, tenant)
    lines = asyncio.run(asked(here(), question))
    dearest = sorted(lines, key=lambda line: (line.cost, line.tokens.total), reverse=True)
    shown, others = dearest[:limit], dearest[limit:]
    if others and form.is_table:
        shown.append(total(question.by, others, f"{len(others):,} others"))
    show(form, question.by, shown)
