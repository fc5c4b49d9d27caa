"""Together on the wire, below `/together`: OpenAI's API, nearly (docs.together.ai/reference/chat-completions-1).

Usage stands in the last chunk, thoughts in `reasoning`, an answer ends with `eos`, embeddings are not counted, and
limits are told by the second.
"""

from dataclasses import replace
from typing import Final

import orjson

from simulator.answer import Answer, Utterance
from simulator.dialects.dialect import Headers, Route, Stamp, Voice
from simulator.dialects.openai_chat import OpenAIChat
from simulator.dialects.openai_voice import OpenAIVoice
from simulator.exchange import Ask, Event, Finished, Request, Thought, Usage
from simulator.quota import Headroom

__all__ = ["Together"]

_PREFIX: Final = "/together"
_MINUTE: Final = 60


class Together(OpenAIChat):
    def serves(self, method: str, path: str) -> Route | None:
        return super().serves(method, path.removeprefix(_PREFIX)) if path.startswith(_PREFIX) else None

    def understand(self, request: Request) -> Ask:
        ask = super().understand(request)
        return replace(ask, usage=False, usage_with_finish=True, base64=False)

    def voice(self, ask: Ask, stamp: Stamp) -> Voice:
        return _TogetherVoice(ask, stamp)

    def quota_headers(self, headroom: tuple[Headroom, ...], _now: float) -> Headers:
        return tuple(
            (f"x-{'rate' if room.kind == 'requests' else 'token'}limit-{name}", value)
            for room in headroom
            for name, value in (
                ("limit", f"{room.limit / _MINUTE:g}"),
                ("remaining", f"{room.remaining / _MINUTE:g}"),
                ("reset", "1"),
            )
        )


class _TogetherVoice(OpenAIVoice):
    def say(self, event: Event) -> bytes:
        match event:
            case Thought(choice, text):
                return self._chunk(choice, {"content": "", "reasoning": text})
            case Finished(choice, reason, usage):
                body = {"index": choice, "delta": {"content": ""}, "logprobs": None, "finish_reason": _reason(reason)}
                told = b"null" if usage is None else orjson.dumps(_usage(usage))
                return self._head + orjson.dumps(body) + b'],"usage":' + told + b"}\n\n"
            case _:
                return super().say(event)

    def whole(self, answer: Answer, usage: Usage | None) -> bytes:
        body = orjson.loads(super().whole(answer, usage))
        body.pop("usage", None)
        for choice, reason in zip(body.get("choices", ()), answer.reasons, strict=False):
            choice["finish_reason"] = _reason(reason)
        if not answer.vectors and usage is not None:
            body["usage"] = _usage(usage)
        return orjson.dumps(body)

    def _message(self, said: tuple[Utterance, ...]) -> dict[str, object]:
        message = super()._message(said)
        if "reasoning_content" in message:
            message["reasoning"] = message.pop("reasoning_content")
        return message


def _reason(reason: str) -> str:
    return "eos" if reason in ("stop", "refusal", "content_filter") else reason


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.prompt_tokens + usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
    }
