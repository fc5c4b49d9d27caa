"""What a worker knows goes into its plans."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.router_worker.planning import Planner, goes_by_traffic
from services.router_worker.routing.traffic import Traffic
from shared.config.schema import Config
from shared.contracts import Door, Interruption, Job, Lane
from shared.ids import JobId
from shared.prices.genai import price_book

NOW = datetime(2026, 11, 20, tzinfo=UTC)
PRICE = {"model": "*", "input": 1, "output": 1}


def a_config(strategy: str, **more: Any) -> Config:
    providers = {name: {"base_url": f"http://{name}/v1"} for name in ("north", "south")}
    deployments = [{"provider": name} for name in providers]
    return Config.model_validate(
        {"providers": providers, "models": {"m": {"deployments": deployments, "strategy": strategy}}, **more}
    )


def a_job(input_tokens: int = 1000, **body: Any) -> Job:
    return Job(
        id=JobId("job_01938f7cf2007abc8def0123456789ab"),
        tenant="acme",
        caller="web",
        door=Door.JOBS,
        lane=Lane.BATCH,
        model="m",
        body=body,
        streamed=False,
        on_interrupt=Interruption.RESTART,
        input_tokens=input_tokens,
        accepted_at=NOW,
        deadline=NOW + timedelta(hours=1),
    )


def a_planner(config: Config, traffic: Traffic | None = None) -> Planner:
    return Planner(config, lambda _job, _candidate: None, traffic or Traffic(), price_book(config), lambda: NOW)


def order(planner: Planner, job: Job) -> list[str]:
    return [candidate.provider for candidate in planner.plan(job).candidates]


def test_the_cheapest_goes_by_this_jobs_own_tokens() -> None:
    prices = [
        {"provider": "north", "model": "m", "input": 1, "output": 10},
        {"provider": "south", "model": "m", "input": 2, "output": 5},
    ]
    planner = a_planner(a_config("cost", prices=prices))
    assert order(planner, a_job(input_tokens=10_000, max_tokens=10)) == ["north", "south"]
    assert order(planner, a_job(input_tokens=10, max_tokens=10_000)) == ["south", "north"]


def test_who_has_no_price_is_asked_last() -> None:
    planner = a_planner(a_config("cost", prices=[{"provider": "south", **PRICE}]))
    assert order(planner, a_job()) == ["south", "north"]


def test_calls_that_run_turn_the_next_job_elsewhere() -> None:
    traffic = Traffic()
    traffic.began("north/m")
    planner = a_planner(a_config("least-in-flight"), traffic)
    assert {tuple(order(planner, a_job())) for _ in range(4)} == {("south", "north")}


def test_a_slow_deployment_is_avoided_by_latency() -> None:
    traffic = Traffic()
    traffic.answered("north/m", 5.0, NOW.timestamp())
    traffic.answered("south/m", 0.5, NOW.timestamp())
    planner = a_planner(a_config("latency"), traffic)
    assert {tuple(order(planner, a_job())) for _ in range(8)} == {("south", "north")}


def test_every_plan_has_its_turn() -> None:
    planner = a_planner(a_config("round-robin"))
    assert [order(planner, a_job())[0] for _ in range(4)] == ["north", "south", "north", "south"]


def test_workers_tell_each_other_of_loads_only_where_somebody_goes_by_them() -> None:
    assert [goes_by_traffic(a_config(name)) for name in ("latency", "least-in-flight", "cost", "priority")] == [
        True,
        True,
        False,
        False,
    ]
