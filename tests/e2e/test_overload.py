"""More is asked for than can be done in time: what is accepted ends in time, the rest is told when to come again."""

import asyncio
from collections import Counter

import httpx

SLOTS, DEADLINE_SECONDS = 4, 12
STORY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Tell me a story."}], "stream": False}


async def test_a_job_that_could_not_end_in_time_is_refused_rather_than_accepted_and_expired(start_platform) -> None:
    async with start_platform({"gpt-4o": {"tokens": 50, "gap": 0.02}}) as platform:
        worker = await platform.start("router_worker", SLUICE_INTERACTIVE_SLOTS=str(SLOTS))
        ingress, _ = await platform.start_all("ingress", "accounting")
        await worker.ready()
        headers = {"authorization": f"Bearer {platform.keys['acme']}", "x-sluice-deadline": str(DEADLINE_SECONDS)}
        async with httpx.AsyncClient(base_url=ingress.url, headers=headers, timeout=30, trust_env=False) as client:
            # How long a job takes is learnt from the first ones.
            await asyncio.gather(*(client.post("/v1/chat/completions", json=STORY) for _ in range(SLOTS)))
            answers = await asyncio.gather(*(client.post("/v1/jobs", json=STORY) for _ in range(200)))
            accepted = [answer.json()["id"] for answer in answers if answer.status_code == 202]
            refused = [answer for answer in answers if answer.status_code != 202]
            ends = Counter([await end_of(client, job) for job in accepted])
    assert {answer.status_code for answer in refused} == {429}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    # A second a job and four at once: some fifty can be done in time, and a machine under load does fewer.
    assert len(refused) > 100
    assert ends["succeeded"] > 0
    assert ends["expired"] <= len(accepted) / 4


async def end_of(client: httpx.AsyncClient, job: str) -> str:
    async with asyncio.timeout(60):
        while True:
            shown = (await client.get(f"/v1/jobs/{job}")).json()
            if shown["ended_at"] is not None:
                return str(shown["status"])
            await asyncio.sleep(0.2)
