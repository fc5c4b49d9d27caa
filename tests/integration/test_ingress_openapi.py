"""Whatever the served OpenAPI document allows, and what it forbids: no 5xx, and every answer is as documented."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.suites.ingress import ADMIN, AUTH
from tests.suites.served_ingress import ServedIngress, fresh_place, serving_ingress

# Not `positive_data_acceptance`: which models there are and how far a deadline may be away is configuration.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)


@pytest.fixture(scope="module")
async def served(kafka_url: str, redis_url: str, postgres_url: str) -> AsyncIterator[ServedIngress]:
    async with fresh_place(kafka_url, redis_url, postgres_url) as place, serving_ingress(place) as served:
        yield served


async def test_schemathesis_finds_no_server_error_and_nothing_undocumented(
    served: ServedIngress, tmp_path: Path
) -> None:
    await explore(served, tmp_path, "/openapi.json", AUTH["authorization"], examples=6)
    assert served.worker.jobs  # it came past the door


async def test_it_finds_none_in_the_admin_api_either(served: ServedIngress, tmp_path: Path) -> None:
    await explore(served, tmp_path, "/admin/v1/openapi.json", ADMIN["authorization"], examples=2)
    async with httpx.AsyncClient(base_url=served.url(), headers=ADMIN, trust_env=False) as administrator:
        assert (await administrator.get("/admin/v1/keys")).json()["data"]  # it came past the door


async def explore(served: ServedIngress, folder: Path, document: str, key: str, *, examples: int) -> None:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{served.url()}{document}"),
        *("--header", f"Authorization:{key}"),
        *("--checks", ",".join(CHECKS)),
        *(
            "--phases",
            "coverage,fuzzing",
            "--max-examples",
            str(examples),
            "--seed",
            "1",
            "--generation-database",
            ":memory:",
        ),
        *("--workers", "2"),
        *("--request-timeout", "20", "--suppress-health-check", "all", "--warnings", "off", "--no-color"),
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.suites.openapi_hooks", "PYTHONPATH": str(Path(__file__).parents[2])}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **hooks},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 240)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode()


async def test_every_route_is_documented_with_all_it_may_answer(served: ServedIngress) -> None:
    async with served.client() as client:
        document = (await client.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["operationId"]
            assert operation["summary"] or not path.startswith("/v1/")
            answers = operation["responses"]
            if not path.startswith("/v1/"):
                continue
            assert {"401", "405", "500"} <= answers.keys()
            for status, answer in answers.items():
                if int(status) >= 400:
                    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorBody"}
    events = document["paths"]["/v1/jobs/{job_id}/events"]["get"]["responses"]["200"]
    assert events["content"].keys() == {"text/event-stream"}
    assert "Retry-After" in document["paths"]["/v1/jobs"]["post"]["responses"]["503"]["headers"]


async def test_the_document_is_served_without_a_key(served: ServedIngress) -> None:
    async with httpx.AsyncClient(base_url=served.url(), trust_env=False) as stranger:
        assert (await stranger.get("/openapi.json")).status_code == 200
