"""How does work come in over HTTP, and what does its submitter learn? One try each: whoever cannot tell, says so."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

import aiohttp
import orjson

from chaos.facts import Fate, Kind, Submission
from chaos.load.plan import Errand
from chaos.load.sse import events_of

__all__ = ["Chat", "HttpDoors", "body_of", "line_of"]

_JOB_ID: Final = "x-sluice-job-id"
_DONE: Final = b"[DONE]"
_SUBMIT_SECONDS: Final = 30.0
_CANCEL_SECONDS: Final = 20.0
_CANCEL_PAUSE_SECONDS: Final = 0.5
_UNSURE: Final = "queue_unconfirmed"
"""The gateway's own word for not knowing."""

_FAILURES: Final = (aiohttp.ClientError, OSError, TimeoutError)


def body_of(errand: Errand, name: str) -> dict[str, object]:
    content = f"Tell me about {name}, and leave nothing out."
    return {
        "model": errand.model,
        "messages": [{"role": "user", "content": content}],
        "stream": errand.kind in (Kind.STREAM, Kind.CHAT),
        "metadata": {"name": name},
    }


def line_of(errand: Errand, name: str) -> bytes:
    return orjson.dumps(
        {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body_of(errand, name)}
    )


@dataclass(frozen=True, slots=True)
class Chat:
    """What a chat client was shown."""

    submission: Submission
    chunks: tuple[bytes, ...] = ()
    completed: bool = False


@dataclass(frozen=True, slots=True)
class HttpDoors:
    session: aiohttp.ClientSession
    gateways: Mapping[str, str]
    keys: Sequence[str]
    silence_seconds: float

    async def job(self, errand: Errand) -> Submission:
        sent_at = time.time()
        try:
            async with self._post(errand, "/v1/jobs", line_of(errand, errand.name)) as answer:
                told = await answer.read()
        except _FAILURES as error:
            return _submission(errand, errand.name, sent_at, Fate.UNKNOWN, told=repr(error))
        if answer.status == 202:
            return _submission(errand, errand.name, sent_at, Fate.ACCEPTED, str(orjson.loads(told)["id"]))
        return _turned_away(errand, errand.name, sent_at, answer.status, told)

    async def lines(self, errand: Errand) -> list[Submission]:
        sent_at = time.time()
        names = [f"{errand.name}.{number}" for number in range(1, errand.lines + 1)]
        body = b"\n".join(line_of(errand, name) for name in names)
        try:
            async with self._post(errand, "/v1/jobs", body, "application/jsonl") as answer:
                told = await answer.read()
        except _FAILURES as error:
            return [_submission(errand, name, sent_at, Fate.UNKNOWN, told=repr(error)) for name in names]
        if answer.status != 202:
            return [_turned_away(errand, name, sent_at, answer.status, told) for name in names]
        found = [orjson.loads(line) for line in told.splitlines()]
        return [_line(errand, name, sent_at, line) for name, line in zip(names, found, strict=True)]

    async def chat(self, errand: Errand) -> Chat:
        sent_at, chunks, job = time.time(), list[bytes](), None
        completed = False
        headers = {"x-sluice-on-interrupt": "restart"}
        if errand.leaves_after is None:
            headers["x-sluice-on-disconnect"] = "continue"
        body = orjson.dumps(body_of(errand, errand.name))
        try:
            async with self._post(errand, "/v1/chat/completions", body, **headers) as answer:
                job = answer.headers.get(_JOB_ID)
                if answer.status != 200:
                    turned_away = _turned_away(errand, errand.name, sent_at, answer.status, await answer.read())
                    return Chat(turned_away if job is None else _refused_late(turned_away, job))
                async with aclosing(events_of(answer.content)) as events:
                    async for event in events:
                        if event.data == _DONE:
                            completed = True
                            break
                        if event.data.startswith(b'{"error"'):
                            break
                        chunks.append(event.data)
                        if len(chunks) == errand.leaves_after:
                            break
        except _FAILURES as error:
            if job is None:
                return Chat(_submission(errand, errand.name, sent_at, Fate.UNKNOWN, told=repr(error)))
        # Whoever hangs up without being asked to go on has cancelled, however the connection broke.
        cancelled_at = time.time() if errand.leaves_after is not None and not completed else None
        submission = _submission(errand, errand.name, sent_at, Fate.ACCEPTED, job, cancelled_at=cancelled_at)
        return Chat(submission, tuple(chunks), completed)

    async def cancel(self, job: str, key: str, door: int) -> None:
        """At one replica after the other until one has taken it, or nobody has for a while."""
        urls = list(self.gateways.values())
        give_up_at = time.monotonic() + _CANCEL_SECONDS
        while time.monotonic() < give_up_at:
            url = f"{urls[door % len(urls)]}/v1/jobs/{job}/cancel"
            door += 1
            try:
                async with self.session.post(
                    url, headers={"authorization": f"Bearer {key}"}, timeout=aiohttp.ClientTimeout(total=10)
                ) as answer:
                    if answer.status < 500:
                        return
            except _FAILURES:
                pass  # that replica is not there just now
            await asyncio.sleep(_CANCEL_PAUSE_SECONDS)

    def key(self, errand: Errand) -> str:
        return self.keys[errand.tenant]

    def _post(
        self, errand: Errand, path: str, body: bytes, content_type: str = "application/json", **more: str
    ) -> "aiohttp.client._RequestContextManager":
        urls = list(self.gateways.values())
        headers = {
            "authorization": f"Bearer {self.key(errand)}",
            "content-type": content_type,
            "x-sluice-deadline": f"{errand.seconds:g}",
            **more,
        }
        timeout = aiohttp.ClientTimeout(total=None, connect=_SUBMIT_SECONDS, sock_read=_SUBMIT_SECONDS)
        if errand.kind is Kind.CHAT:
            timeout = aiohttp.ClientTimeout(total=None, connect=_SUBMIT_SECONDS, sock_read=self.silence_seconds)
        return self.session.post(urls[errand.door % len(urls)] + path, data=body, headers=headers, timeout=timeout)


def _submission(
    errand: Errand,
    name: str,
    sent_at: float,
    fate: Fate,
    job: str | None = None,
    *,
    told: str = "",
    cancelled_at: float | None = None,
) -> Submission:
    return Submission(
        name=name,
        kind=errand.kind,
        model=errand.model,
        sent_at=sent_at,
        fate=fate,
        job=job,
        told=told,
        cancelled_at=cancelled_at,
        tenant=errand.tenant,
        seconds=errand.seconds,
    )


def _turned_away(errand: Errand, name: str, sent_at: float, status: int, told: bytes) -> Submission:
    words = told.decode(errors="replace")[:300]
    fate = Fate.UNKNOWN if _UNSURE in words or status == 500 else Fate.REFUSED
    return _submission(errand, name, sent_at, fate, told=f"{status}: {words}")


def _refused_late(turned_away: Submission, job: str) -> Submission:
    """A chat whose error is the job's own end, or of which nobody knows whether it was queued."""
    return replace(turned_away, fate=Fate.UNKNOWN, job=job)


def _line(errand: Errand, name: str, sent_at: float, line: Mapping[str, object]) -> Submission:
    if line["status"] == "queued":
        return _submission(errand, name, sent_at, Fate.ACCEPTED, str(line["id"]))
    words = str(line.get("error"))[:300]
    return _submission(errand, name, sent_at, Fate.UNKNOWN if _UNSURE in words else Fate.REFUSED, told=words)
