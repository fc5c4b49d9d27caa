"""A configuration that changes under all three services: what comes goes by it, what runs does not notice."""

import asyncio
import os
import signal

import httpx
import openai
import orjson
import pytest
import yaml
from aiokafka import AIOKafkaProducer

from shared.config import hash_key, new_key
from shared.config.keys import KeyKind
from tests.e2e.test_openai_python import QUESTION, ledger
from tests.suites.reader import Reader

SLOW = {"tokens": 400, "gap": 0.02}
DOLLARS_PER_MILLION = "7"


async def test_a_changed_file_is_taken_by_what_comes_and_a_wrong_one_is_refused(start_platform, client_of) -> None:
    async with start_platform({"slow": SLOW, "gpt-4o": {"tokens": 5}}) as platform:
        ingress, worker, accounting = await platform.start_all("ingress", "router_worker", "accounting")
        key = platform.keys["acme"]
        client = client_of(ingress.url, key)
        file = platform.folder / "sluice.yaml"
        config = yaml.safe_load(file.read_text())

        async with httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}) as poster:
            running = (await poster.post(f"{ingress.url}/v1/jobs", json={"model": "slow", "messages": QUESTION})).json()
            async with asyncio.timeout(20):
                while not (seen := (await poster.get(f"{ingress.url}/v1/jobs/{running['id']}")).json())["plan"]:
                    await asyncio.sleep(0.05)
        assert (seen["status"], seen["plan"][0]["reason"]) == ("running", "number 1 by priority: running")

        # Another name for a model, another price, and the model of the running job is gone.
        config["models"] = {"fresh": {"deployments": [{"provider": "sim2", "model": "gpt-4o"}]}}
        config["providers"] = {"sim2": {"base_url": f"{platform.simulator.url}/v1"}}
        price = {"provider": "sim2", "model": "*", "input": DOLLARS_PER_MILLION, "output": DOLLARS_PER_MILLION}
        config["prices"] = [price, price | {"tier": "flex", "output": 1}, price | {"tier": "priority", "output": 9}]
        # Another key for the same caller, a new topic for it, and an administrator.
        config["tenants"]["acme"]["keys"] = {"acme-web": {"hash": hash_key(another := new_key("acme-web"))}}
        config["submit_topics"] = {"nightly": {"tenant": "acme", "caller": "acme-web"}}
        config["administrators"] = {"ops": {"hash": hash_key(admin := new_key("ops", KeyKind.ADMINISTRATOR))}}
        replaced(file, yaml.safe_dump(config))
        for process in (ingress, worker, accounting):
            os.kill(process.leashed.pid, signal.SIGHUP)
        await tells(worker.url, 'sluice_config_readings_total{outcome="taken"} 1')
        await tells(accounting.url, 'sluice_config_readings_total{outcome="taken"} 1')
        await tells(ingress.url, 'sluice_config_readings_total{outcome="taken"} 1')

        with pytest.raises(openai.AuthenticationError):
            await client.models.list()
        key, client = another, client_of(ingress.url, another)
        assert [model.id async for model in client.models.list()] == ["fresh"]
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {admin}"}) as administrator:
            assert (await administrator.get(f"{ingress.url}/admin/v1/tenants")).status_code == 200
        await submitted(platform, "nightly", {"model": "fresh", "messages": QUESTION})
        answer = await client.chat.completions.create(model="fresh", messages=QUESTION, service_tier="flex")
        assert (answer.service_tier, bool(answer.choices[0].message.content)) == ("flex", True)
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="slow", messages=QUESTION)

        # Wrong, and found by itself.
        replaced(file, yaml.safe_dump(config | {"models": {"fresh": {"deployments": [{"provider": "nobody"}]}}}))
        for process in (ingress, worker, accounting):
            await tells(process.url, 'sluice_config_readings_total{outcome="refused"} 1', "sluice_config_refused 1")
            assert "config_refused" in process.log.read_text()
            assert "nobody" in process.log.read_text()
        assert (await client.chat.completions.create(model="fresh", messages=QUESTION)).choices

        result = (await Reader([ingress.url], key, running["id"]).read()).result
        assert result["status"] == "succeeded"
        assert result["usage"]["output"] == SLOW["tokens"]
        assert len(result["attempts"]) == 1
        rows = {row["service_tier"]: row for row in await ledger(platform, 4) if row["model_asked"] == "fresh"}
        # In which class it was served the provider says.
        for tier, output in (("default", int(DOLLARS_PER_MILLION)), ("flex", 1)):
            row = rows[tier]
            nanodollars = row["uncached_input_tokens"] * int(DOLLARS_PER_MILLION) + row["output_tokens"] * output
            assert row["cost_nanodollars"] == nanodollars * 1000


async def submitted(platform, topic: str, body: object) -> None:
    """A record of a submit topic."""
    producer = AIOKafkaProducer(bootstrap_servers=platform.servers.kafka_url)
    await producer.start()
    try:
        await producer.send_and_wait(platform.topic_prefix + topic, orjson.dumps(body))
    finally:
        await producer.stop()


def replaced(file, text: str) -> None:
    """In one step, as `mv` does it."""
    beside = file.with_suffix(".next")
    beside.write_text(text)
    beside.replace(file)


async def tells(url: str, *lines: str) -> None:
    async with asyncio.timeout(20), httpx.AsyncClient() as client:
        while True:
            told = (await client.get(f"{url}/metrics")).text
            if all(line in told for line in lines):
                return
            await asyncio.sleep(0.05)
