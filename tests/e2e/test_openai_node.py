"""The official Node SDK, pointed at Sluice, cannot tell the difference."""

import asyncio
import json
import os
import shutil
from pathlib import Path

import orjson
import pytest

NODE = Path(__file__).parent / "node"


async def run(*command: str, **env: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=NODE,
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out


async def test_chat_models_and_errors(start_platform) -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        assert "CI" not in os.environ, "CI must have Node.js and npm"
        pytest.skip("Node.js and npm are not installed")
    if not (NODE / "node_modules" / "openai").exists():
        await run(npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
    async with start_platform({"gpt-4o": {"tokens": 20, "gap": 0.005}}) as platform:
        ingress, *_ = await platform.start_all("ingress", "router_worker", "accounting")
        out = await run(node, "chat.mjs", BASE_URL=f"{ingress.url}/v1", API_KEY=platform.keys["acme"], MODEL="gpt-4o")
        seen = json.loads(out)
        assert seen["models"] == ["gpt-4o"]
        assert seen["whole"] == seen["streamed"]
        assert seen["usage"]["completion_tokens"] == 20
        assert seen["refused"] == {"name": "NotFoundError", "status": 404, "code": "model_not_found"}
        first = platform.simulator.served()[0]
        assert orjson.loads(platform.simulator.request(first.client_request_id).body)["brand_new_field"] == {"a": [1]}
