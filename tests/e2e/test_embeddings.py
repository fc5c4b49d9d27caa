"""Embeddings by the official Python SDK and as lines of a batch: vectors, ledger and cost are those of the provider."""

import httpx
import openai
import orjson
import pytest

from simulator.answer import embedding
from tests.e2e.test_openai_python import ledger
from tests.suites.reader import Reader

MODEL = "text-embedding-3-small"
NANODOLLARS_A_TOKEN = 20
TEXTS = ["A gate for water.", "A wall for water."]


async def test_embeddings_come_as_the_provider_made_them_and_are_charged(start_platform, client_of) -> None:
    async with start_platform({MODEL: {}, "gpt-4o": {}}) as platform:
        ingress, *_ = await platform.start_all("ingress", "router_worker", "accounting")
        client = client_of(ingress.url, platform.keys["acme"])

        packed = await client.embeddings.create(model=MODEL, input=TEXTS, extra_body={"metadata": {"feature": "index"}})
        assert [each.embedding for each in packed.data] == [pytest.approx(vector_of(text, packed)) for text in TEXTS]
        floats = await client.embeddings.create(model=MODEL, input=TEXTS[0], encoding_format="float", dimensions=5)
        assert floats.data[0].embedding == pytest.approx(list(embedding(TEXTS[0], 5)))
        tokens = await client.embeddings.create(model=MODEL, input=[[1, 2, 3], [4, 5]])
        assert len(tokens.data) == 2

        with pytest.raises(openai.BadRequestError) as wrong:
            await client.embeddings.create(model="gpt-4o", input="x")
        assert wrong.value.code == "unsupported_endpoint"
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])

        line = {"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {"model": MODEL, "input": TEXTS}}
        headers = {"authorization": f"Bearer {platform.keys['acme']}", "content-type": "application/jsonl"}
        async with httpx.AsyncClient(headers=headers) as poster:
            answer = await poster.post(f"{ingress.url}/v1/jobs", content=orjson.dumps(line) + b"\n")
        job = orjson.loads(answer.content)["id"]
        result = (await Reader([ingress.url], platform.keys["acme"], job).read()).result
        assert [each["index"] for each in result["response"]["data"]] == [0, 1]

        rows = await ledger(platform, 4)
        served = {call.client_request_id: call for call in platform.simulator.served()}
        assert len(served) == 4
        for row in rows:
            call = served[row["attempt_id"]]
            assert (row["status"], row["output_tokens"]) == ("succeeded", 0)
            assert row["uncached_input_tokens"] == call.prompt_tokens > 0
            assert row["cost_nanodollars"] == call.prompt_tokens * NANODOLLARS_A_TOKEN
        assert sorted(row["feature"] or "" for row in rows) == ["", "", "", "index"]
        first = platform.simulator.request(platform.simulator.served()[0].client_request_id)
        assert "metadata" not in orjson.loads(first.body)


def vector_of(text: str, answer: object) -> list[float]:
    return list(embedding(text, len(answer.data[0].embedding)))
