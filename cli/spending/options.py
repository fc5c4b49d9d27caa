"""The options that several commands about usage and cost have."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["AsCsv", "AsJson", "AsParquet", "By", "Since", "Tenant", "Until"]

By = Annotated[
    str,
    typer.Option(
        metavar="DIMENSIONS",
        help="One or several, with commas: model, model-served, upstream-model, tenant, team, caller, user, feature, "
        "tag:NAME, provider, provider-key, deployment, region, service-tier, lane, role, status, error, finish-reason, "
        "usage-source, billing, price-version, hour, day, month.",
    ),
]
Since = Annotated[str, typer.Option(metavar="WHEN", help="24h, 7d, 2026-11-01, or all. Counted in whole hours, UTC.")]
Until = Annotated[str | None, typer.Option(metavar="WHEN", help="The end, as for --since.", show_default=False)]
Tenant = Annotated[str | None, typer.Option(help="Only this one's.", show_default=False)]
AsCsv = Annotated[bool, typer.Option("--csv", help="As CSV, without a total.")]
AsJson = Annotated[bool, typer.Option("--json", help="As a JSON array, without a total.")]
AsParquet = Annotated[
    Path | None, typer.Option("--parquet", metavar="FILE", help="As Parquet, into this file.", show_default=False)
]
