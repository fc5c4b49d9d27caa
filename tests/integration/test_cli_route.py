"""`sluice route test` asks each deployment for real, and `stats` tells what the ledger knows of them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.exit_codes import ExitCode
from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.usage_store import PostgresLedger
from shared.contracts import AttemptFinished, AttemptStatus, TokenUsage
from shared.prices import OwnPrices
from shared.prices.genai import GenaiPrices
from simulator import Config, Simulator, running_simulator
from tests.suites.accounting import NOON, an_attempt, entered
from tests.suites.command_line import Sluice

BOOK = OwnPrices((), GenaiPrices({}))
KEY = "sk-secret-0123456789"
PATIENCE = "5s"
"""Longer than a machine with much to do may keep one waiting who answers."""


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(Config(seed=1, api_keys=(KEY,))) as simulator:
        yield simulator


@pytest.fixture
def sluice(sim: Simulator, tmp_path: Path) -> Sluice:
    models = {
        "gpt-4o-mini": {
            "deployments": [
                {"provider": "openai", "name": "good"},
                {"provider": "openai", "name": "page", "model": "m;stray=page"},
                {"provider": "openai", "name": "slow", "model": "m;first_token=60"},
                {"provider": "thief", "name": "refused"},
            ],
            "fallbacks": ["spare"],
        },
        "spare": {"deployments": [{"provider": "openai", "name": "spare"}]},
        "text-embedding-3-small": {"deployments": [{"provider": "openai"}, {"provider": "claude"}]},
    }
    at = {"base_url": f"{sim.url}/v1"}
    providers = {
        "openai": {**at, "api_key": KEY},
        "thief": {**at, "api_key": "sk-stolen-0123456789"},
        "claude": {**at, "dialect": "anthropic"},
    }
    (tmp_path / "sluice.yaml").write_text(yaml.safe_dump({"providers": providers, "models": models}))
    return Sluice(tmp_path, {"SLUICE_CONFIG": str(tmp_path / "sluice.yaml")})


async def test_each_deployment_of_a_route_is_asked_and_tells_how_it_went(sim: Simulator, sluice: Sluice) -> None:
    ended = await sluice("route", "test", "gpt-4o-mini", "--timeout", PATIENCE, "--json")
    good, page, slow, refused = ended.lines
    assert ended.code == ExitCode.SOME_FAILED
    assert (good["deployment"], good["outcome"], good["model_served"]) == ("good", "ok", "gpt-4o-mini")
    assert 0 < good["first_token_seconds"] <= good["seconds"]
    served = next(call for call in sim.served() if call.model == "gpt-4o-mini" and call.status == 200)
    assert good["tokens"] == served.prompt_tokens + served.output_tokens
    assert good["cost"] == served.prompt_tokens * 150 + served.output_tokens * 600
    assert (page["outcome"], slow["outcome"], refused["outcome"]) == ("malformed", "deadline", "auth")
    assert "Sign in to the network" in page["evidence"]
    async with asyncio.timeout(30):
        while len(sim.served()) < 4:
            await asyncio.sleep(0.01)  # it notices who has left
    assert len(sim.served()) == 4
    for secret in (KEY, "sk-stolen"):
        assert secret not in ended.out + ended.err


async def test_a_person_reads_a_table_and_fallbacks_are_asked_on_request(sluice: Sluice) -> None:
    ended = await sluice("route", "test", "gpt-4o-mini", "--timeout", PATIENCE, "--fallbacks")
    assert [line.split()[:3] for line in ended.out.splitlines()[1:]] == [
        ["good", "gpt-4o-mini", "ok"],
        ["page", "gpt-4o-mini", "malformed"],
        ["slow", "gpt-4o-mini", "deadline"],
        ["refused", "gpt-4o-mini", "auth"],
        ["spare", "spare", "ok"],
    ]


async def test_a_model_for_embeddings_is_asked_for_one_and_who_has_none_is_left_out(sluice: Sluice) -> None:
    ended = await sluice("route", "test", "text-embedding-3-small", "--json")
    good, without = ended.lines
    assert (good["outcome"], good["message"]) == ("ok", "embeddings")
    assert (without["deployment"], without["outcome"]) == ("claude/text-embedding-3-small", "left out")


async def test_a_model_that_is_not_there_is_told_with_those_that_are(sluice: Sluice) -> None:
    ended = await sluice("route", "test", "gpt-9")
    assert ended.code == ExitCode.USAGE
    assert "known: gpt-4o-mini, spare, text-embedding-3-small" in ended.err


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database)
    yield engine
    await engine.dispose()


def call(milliseconds: int, *, error: str | None = None, upstream: str = "gpt-4o-mini") -> AttemptFinished:
    status = AttemptStatus.FAILED if error else AttemptStatus.SUCCEEDED
    usage = TokenUsage(uncached_input=10, output=0 if error else 100)
    made = an_attempt(upstream=upstream, usage=usage, status=status)
    first = None if error else made.started_at + timedelta(milliseconds=milliseconds)
    changed = {"first_token_at": first, "ended_at": made.started_at + timedelta(milliseconds=2 * milliseconds)}
    return made.model_copy(update={**changed, "error_kind": error})


async def test_figures_of_deployments_are_those_of_the_ledger(
    engine: AsyncEngine, database: str, sluice: Sluice
) -> None:
    calls = [call(100), call(200), call(300), call(50, error="stall"), call(50, error="stall"), call(9, error="cut")]
    others = [call(7, upstream="gpt-4o")]
    await PostgresLedger(engine).add([entered(event, BOOK) for event in (*calls, *others)], {})
    since = (NOON - timedelta(days=1)).isoformat()
    ended = await sluice("route", "stats", "--since", since, "--json", POSTGRES_URL=database)
    first, second = ended.lines
    assert (first["model"], first["deployment"], first["calls"], first["succeeded"]) == (
        "m1",
        "openai/gpt-4o-mini",
        6,
        3,
    )
    assert list(first["errors"].items()) == [("stall", 2), ("cut", 1)]
    assert first["first_token_ms"] == pytest.approx([200, 290])
    assert first["duration_ms"] == pytest.approx([400, 580])
    assert first["output_tokens"] == 300
    assert first["cost"] == 3 * (10 * 150 + 100 * 600) + 3 * 10 * 150
    assert (second["deployment"], second["calls"], second["errors"]) == ("openai/gpt-4o", 1, {})
    shown = await sluice("route", "stats", "m1", "--since", since, POSTGRES_URL=database)
    assert "stall 2, cut 1" in shown.out
    assert "50.0%" in shown.out
    later = await sluice("route", "stats", "--since", "1s", "--json", POSTGRES_URL=database)
    assert later.lines == []
