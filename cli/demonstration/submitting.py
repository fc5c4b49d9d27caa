"""How do prompts come in? Through the three doors, each as its users do it, and what each submitter learns by it."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

import httpx
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from cli.demonstration.evidence import ChatReading, Reading, Submission
from cli.demonstration.plan import Errand
from cli.demonstration.prompts import Prompt
from cli.demonstration.reading import Readers, has_text, sse_events
from services.ingress.api.schemas import LineAnswer
from shared.contracts import Door

__all__ = ["Notebook", "Submitter"]

_DONE: Final = b"[DONE]"
_JOB_ID: Final = "x-sluice-job-id"
_STREAM_WISHES: Final = {
    # This client understands that an answer may begin again, and that a job may outlive its connection.
    "x-sluice-on-interrupt": "restart",
    "x-sluice-on-disconnect": "continue",
}
_ANSWER_SECONDS: Final = 90.0
"""No answer takes as long, and a stream that is kept open by pings would never end by itself."""
_SEND_SECONDS: Final = 20.0


@dataclass(slots=True)
class Notebook:
    """What submitters and readers bring home."""

    submissions: list[Submission] = field(default_factory=list)
    chats: list[ChatReading] = field(default_factory=list)
    readings: dict[str, list[Reading]] = field(default_factory=dict)
    """By job; a job that was streamed is in it even if nobody followed its events."""


@dataclass(frozen=True, slots=True)
class Submitter:
    client: httpx.AsyncClient
    producer: AIOKafkaProducer
    submit_topic: str
    readers: Readers
    notebook: Notebook

    async def run(self, errand: Errand) -> None:
        """Until the prompt's answer has been read, where somebody waits for it. Raises nothing that a door does."""
        try:
            match errand.door:
                case Door.CHAT if errand.streamed:
                    await self._chat_stream(errand)
                case Door.CHAT:
                    await self._chat(errand)
                case Door.JOBS if errand.as_lines:
                    await self._lines(errand)
                case Door.JOBS:
                    await self._job(errand)
                case Door.TOPIC:
                    await self._record(errand)
        except (httpx.HTTPError, KafkaError, TimeoutError) as error:
            for prompt in errand.prompts:
                self._note(prompt, errand.door, refused=repr(error))

    async def _chat(self, errand: Errand) -> None:
        async with asyncio.timeout(_ANSWER_SECONDS):
            answer = await self.client.post("/v1/chat/completions", json=errand.prompt.body)
        job = answer.headers.get(_JOB_ID)
        if job is None:
            self._note(errand.prompt, errand.door, refused=answer.text)
            return
        self._note(errand.prompt, errand.door, job)
        self.notebook.chats.append(ChatReading(job, answer=answer.json()))

    async def _chat_stream(self, errand: Errand) -> None:
        began, first = time.monotonic(), None
        body = {**errand.prompt.body, "stream": True}
        chunks: list[bytes] = []
        completed = left = False
        asking = self.client.stream("POST", "/v1/chat/completions", json=body, headers=_STREAM_WISHES)
        async with asyncio.timeout(_ANSWER_SECONDS), asking as answer:
            job = answer.headers.get(_JOB_ID)
            if job is None:
                self._note(errand.prompt, errand.door, refused=(await answer.aread()).decode(errors="replace"))
                return
            async with aclosing(sse_events(answer)) as events:
                async for event in events:
                    if event.data == _DONE:
                        completed = True
                        break
                    chunks.append(event.data)
                    if first is None and has_text(event.data):
                        first = time.monotonic() - began
                    if len(chunks) == errand.leaves_after:
                        left = True
                        break
        self._note(errand.prompt, errand.door, job, first_token_seconds=first)
        self.notebook.chats.append(ChatReading(job, tuple(chunks), left=left, completed=completed))
        await self._follow(errand, job)

    async def _job(self, errand: Errand) -> None:
        began = time.monotonic()
        headers = {"content-type": "application/json"}
        answer = await self.client.post("/v1/jobs", content=errand.prompt.line, headers=headers)
        if answer.status_code != httpx.codes.ACCEPTED:
            self._note(errand.prompt, errand.door, refused=answer.text)
            return
        job = str(orjson.loads(answer.content)["id"])
        await self._follow(errand, job)
        seen = self.readers.first_tokens.get(job)
        self._note(errand.prompt, errand.door, job, first_token_seconds=None if seen is None else seen - began)

    async def _lines(self, errand: Errand) -> None:
        body = b"\n".join(prompt.line for prompt in errand.prompts)
        headers = {"content-type": "application/jsonl"}
        answer = await self.client.post("/v1/jobs", content=body, headers=headers)
        if answer.status_code != httpx.codes.ACCEPTED:
            for prompt in errand.prompts:
                self._note(prompt, errand.door, refused=answer.text)
            return
        fates = {fate.line: fate for fate in map(LineAnswer.model_validate_json, answer.content.splitlines())}
        for number, prompt in enumerate(errand.prompts, start=1):
            fate = fates.get(number)
            if fate is None:
                self._note(prompt, errand.door, refused="its line was not answered")
            else:
                self._note(prompt, errand.door, fate.id, refused=fate.error.message if fate.error else None)

    async def _record(self, errand: Errand) -> None:
        async with asyncio.timeout(_SEND_SECONDS):
            await self.producer.send_and_wait(self.submit_topic, errand.prompt.line)
        self._note(errand.prompt, errand.door)

    async def _follow(self, errand: Errand, job: str) -> None:
        self.notebook.readings.setdefault(job, [])
        self.notebook.readings[job] += await asyncio.gather(
            *(self.readers.read(job, f"reader {number}", plan) for number, plan in enumerate(errand.readers, start=1))
        )

    def _note(
        self,
        prompt: Prompt,
        door: Door,
        job: str | None = None,
        *,
        refused: str | None = None,
        first_token_seconds: float | None = None,
    ) -> None:
        self.notebook.submissions.append(Submission(prompt.custom_id, door, job, refused, first_token_seconds))
