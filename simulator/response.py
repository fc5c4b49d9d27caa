"""What is sent back for a request: a status line, headers, and packets in time."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random

from simulator.answer import Answer
from simulator.course import Telling, course, disturbed, whole
from simulator.dialects.dialect import Dialect, Headers, Reply, Voice
from simulator.exchange import Ask, Broke, Garbled, Refusal
from simulator.faults import Fault, HangUp, Refuse, Stray
from simulator.packets import Packet, mannered, streamed, unstreamed
from simulator.script import Script
from simulator.strays import strayed

__all__ = ["Response", "Scene", "answered", "failed", "refused", "replied"]


@dataclass(frozen=True, slots=True)
class Response:
    status: int | None
    """None: nothing is sent, not even a status line."""
    headers: Headers
    length: int | None
    """Of the body; None when it is not known at the beginning."""
    packets: Iterable[Packet]

    def with_headers(self, headers: Headers) -> "Response":
        return replace(self, headers=self.headers + headers)


@dataclass(frozen=True, slots=True)
class Scene:
    """All that decides how an admitted call goes on."""

    dialect: Dialect
    ask: Ask
    script: Script
    fault: Fault | None
    rng: Random


def replied(reply: Reply) -> Response:
    return Response(reply.status, reply.headers, len(reply.body), [Packet(0.0, reply.body)])


def refused(dialect: Dialect, refusal: Refusal, wait: float = 0.0) -> Response:
    reply = dialect.refuse(refusal)
    return Response(reply.status, reply.headers, len(reply.body), [Packet(wait, reply.body, end="error")])


def failed(scene: Scene, fault: Refuse | Stray | HangUp) -> Response:
    """A call that ends before it has an answer."""
    wait = scene.script.opening.draw(scene.rng)
    if isinstance(fault, HangUp):
        return Response(None, (), None, [Packet(wait, b"", end=fault.hang_up)])
    if isinstance(fault, Stray):
        stray = strayed(fault, wait, scene.dialect.refuse(Refusal(500)).body)
        return Response(stray.status, stray.headers, None, stray.packets)
    return refused(scene.dialect, _refusal(fault), wait)


def answered(scene: Scene, answer: Answer, voice: Voice) -> Response:
    script, rng = scene.script, scene.rng
    moments = disturbed(course(answer, script, rng, usage=_told(scene)), scene.fault)
    if scene.ask.stream:
        return Response(200, voice.stream_headers, None, mannered(streamed(moments, voice), script, rng))
    found = whole(moments)
    if isinstance(found.interruption, Broke):
        return refused(scene.dialect, found.interruption.refusal, found.seconds)
    usage = None if script.usage == "never" else answer.usage
    body = voice.whole(answer, usage)
    if isinstance(found.interruption, Garbled):
        body, usage = body[: len(body) // 2], None
    return Response(200, voice.whole_headers, len(body), mannered(unstreamed(found, body, usage), script, rng))


def _told(scene: Scene) -> Telling:
    wanted = scene.script.usage
    if wanted == "with_finish" or (scene.ask.usage_with_finish and wanted != "never"):
        return Telling.WITH_FINISH
    return Telling.APART if wanted == "always" or (wanted == "asked" and scene.ask.usage) else Telling.NEVER


def _refusal(fault: Refuse) -> Refusal:
    retry = [("retry-after", fault.retry_after)] if fault.retry_after is not None else []
    if fault.retry_after_ms is not None:
        retry.append(("retry-after-ms", str(fault.retry_after_ms)))
    return Refusal(fault.status, fault.message, fault.type, fault.code, fault.param, tuple(retry), fault.body)
