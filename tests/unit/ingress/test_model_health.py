"""`GET /v1/health`: what a key may know of whether its models can be served now."""

from datetime import timedelta

import orjson

from shared.clock import utc_now
from shared.load import DeploymentHealth, WorkerLoad
from tests.suites.asgi import Call
from tests.suites.ingress import AUTH, NARROW_KEY, MemoryIngress, memory_ingress


async def told(ingress: MemoryIngress, headers: dict[str, str]) -> dict[str, dict[str, object]]:
    async with Call(ingress.app, "GET", "/v1/health", headers) as call:
        await call.ended()
    assert call.status == 200
    return {each.pop("id"): each for each in orjson.loads(call.received)["data"]}


async def test_it_tells_of_the_models_that_the_key_may_ask_for_and_of_no_deployment() -> None:
    ingress = memory_ingress()
    until = utc_now() + timedelta(seconds=30)
    shut = DeploymentHealth(state="open", until=until, because="connect")
    deployments = {"p/gpt-4o": shut, "p/gpt-4o-mini": DeploymentHealth()}
    ingress.doors.availability.told([WorkerLoad(beat=1, lanes={}, deployments=deployments)])
    seen = await told(ingress, AUTH)
    assert seen["gpt-4o"]["status"] == "unavailable"
    assert str(seen["gpt-4o"]["retry_at"])[:19] == until.isoformat()[:19]
    assert seen["gpt-4o-mini"] == {"status": "available", "retry_at": None}
    assert seen["org/model"]["status"] == "unknown"
    assert (await told(ingress, {"authorization": f"Bearer {NARROW_KEY}"})).keys() == {"gpt-4o-mini"}
