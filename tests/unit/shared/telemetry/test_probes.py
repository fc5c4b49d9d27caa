"""The probes of a process without an HTTP interface, over real HTTP."""

import httpx
import pytest

from shared.errors import OperatorError
from shared.serving import serving
from shared.telemetry import Instruments, probes, serving_probes
from shared.telemetry.metrics import OPEN_STREAMS


class State:
    def __init__(self) -> None:
        self.dependencies: dict[str, str | None] = {"kafka": None, "redis": None}
        self.stuck: str | None = None


async def answers(state: State, path: str) -> httpx.Response:
    instruments = Instruments("tests")
    instruments.gauge(OPEN_STREAMS).set(3)
    async with (
        serving_probes(
            0, instruments.registry, ready=lambda: state.dependencies, live=lambda: state.stuck, host="127.0.0.1"
        ) as port,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        return await client.get(f"http://127.0.0.1:{port}{path}")


async def test_a_process_with_all_it_needs_is_ready() -> None:
    answer = await answers(State(), "/readyz")

    assert (answer.status_code, answer.json()) == (200, {"ready": True, "missing": {}})


async def test_what_is_missing_is_named() -> None:
    state = State()
    state.dependencies["redis"] = "connection refused"

    answer = await answers(state, "/readyz")

    assert (answer.status_code, answer.json()) == (503, {"ready": False, "missing": {"redis": "connection refused"}})


async def test_a_process_without_its_servers_is_alive_all_the_same() -> None:
    state = State()
    state.dependencies["kafka"] = "away"

    assert (await answers(state, "/livez")).status_code == 200


async def test_a_stuck_process_is_not_alive() -> None:
    state = State()
    state.stuck = "no poll for 90 s"

    answer = await answers(state, "/livez")

    assert (answer.status_code, answer.json()["stuck"]) == (503, "no poll for 90 s")


async def test_metrics_are_served_as_prometheus_reads_them() -> None:
    answer = await answers(State(), "/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "\nsluice_open_streams 3.0\n" in answer.text
    assert 'sluice_build_info{service="tests"' in answer.text


async def test_any_other_path_is_not_found() -> None:
    assert (await answers(State(), "/")).status_code == 404


async def test_a_taken_port_is_one_clear_line_before_anything_starts() -> None:
    app = probes(Instruments("tests").registry, ready=dict, live=lambda: None)
    async with serving(app, host="127.0.0.1", port=0) as port:
        with pytest.raises(OperatorError, match=f"^cannot listen on 127.0.0.1:{port}: Address already in use$"):
            async with serving(app, host="127.0.0.1", port=port):
                pass


async def test_an_error_inside_the_block_comes_out_as_it_is() -> None:
    app = probes(Instruments("tests").registry, ready=dict, live=lambda: None)
    with pytest.raises(KeyError, match="mine"):
        async with serving(app, host="127.0.0.1", port=0):
            raise KeyError("mine")
