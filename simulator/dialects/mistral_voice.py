"""One answer of Mistral's as bytes, whole or event by event."""

from typing import Any, Final

import orjson

from simulator.answer import Answer, Utterance, gathered
from simulator.dialects.dialect import Stamp
from simulator.dialects.openai_voice import OpenAIVoice, packed
from simulator.exchange import Ask, Broke, Event, Finished, Opened, Refusal, Said, Thought, ToolCalled, ToolSaid, Usage

__all__ = ["MistralVoice", "error_body"]

_TYPES: Final[dict[int, tuple[str, str, str]]] = {
    400: ("invalid_request_error", "3051", "The request was not understood."),
    403: ("forbidden", "1100", "You are not allowed to use this resource."),
    404: ("invalid_model", "1500", "Invalid model."),
    413: ("invalid_request_prompt", "3100", "The request is too large."),
    429: ("rate_limited", "1300", "Rate limit exceeded"),
    503: ("service_unavailable", "3505", "Service unavailable."),
}
_OTHER: Final = ("internal_server_error", "3000", "Service unavailable.")


class MistralVoice(OpenAIVoice):
    def __init__(self, ask: Ask, stamp: Stamp) -> None:
        super().__init__(ask, stamp)
        model = orjson.dumps(stamp.model).decode()
        self._before_object = f'{{"id":"{stamp.call_id}","object":"'.encode()
        self._after_object = f'","created":{stamp.created},"model":{model}'.encode()
        self._head = b"data: " + self._before_object + b"chat.completion.chunk" + self._after_object + b',"choices":['
        self._tail = b"]}\n\n"
        self._before_text = [self._head + b'{"index":%d,"delta":{"content":' % choice for choice in range(ask.choices)]
        self._after_text = b'},"finish_reason":null}' + self._tail
        self._calls: dict[int, dict[int, dict[str, Any]]] = {}
        """Of each choice: they are told whole, with its end."""

    def say(self, event: Event) -> bytes:
        match event:
            case Said() if self._plain:
                return super().say(event)
            case ToolCalled() | ToolSaid():
                self._note(event)
                return b""
            case Finished():
                return self._end(event)
            case Broke(refusal):
                return b"data: " + error_body(refusal) + b"\n\n"
            case Opened() | Said() | Thought():
                return self._speak(event)
            case _:
                return super().say(event)

    def _speak(self, event: Opened | Said | Thought) -> bytes:
        match event:
            case Opened():
                opening = {"role": "assistant", "content": ""}
                return b"".join(self._choice(choice, opening) for choice in range(self._ask.choices))
            case Said(choice, text):
                return self._choice(choice, {"content": text}, {"logprobs": {"content": [self._logprob(text)]}})
            case Thought(choice, text):
                return self._choice(choice, {"content": [_thinking(text)]})

    def _note(self, event: ToolCalled | ToolSaid) -> None:
        match event:
            case ToolCalled(choice, tool, call_id, name):
                called = {"id": _short(call_id), "function": {"name": name, "arguments": ""}, "index": tool}
                self._calls.setdefault(choice, {})[tool] = called
            case ToolSaid(choice, tool, fragment):
                self._calls[choice][tool]["function"]["arguments"] += fragment

    def _end(self, event: Finished) -> bytes:
        calls = list(self._calls.get(event.choice, {}).values())
        delta = {"content": "", "tool_calls": calls} if calls else {"content": ""}
        return self._choice(event.choice, delta, {"finish_reason": _reason(event.reason)}, event.usage)

    def whole(self, answer: Answer, usage: Usage | None) -> bytes:
        body: dict[str, Any] = {"id": self._stamp.call_id, "model": self._stamp.model}
        if usage is not None:
            body["usage"] = _usage(usage)
        if answer.vectors:
            data = [
                {"object": "embedding", "index": index, "embedding": packed(vector) if self._ask.base64 else vector}
                for index, vector in enumerate(answer.vectors)
            ]
            return orjson.dumps({**body, "object": "list", "data": data})
        choices = [
            {
                "index": choice,
                "message": self._message(said),
                "finish_reason": _reason(answer.reasons[choice]),
                **({} if self._plain else {"logprobs": {"content": self._spoken(said)}}),
            }
            for choice, said in enumerate(answer.choices)
        ]
        return orjson.dumps({**body, "object": "chat.completion", "created": self._stamp.created, "choices": choices})

    def _choice(
        self, choice: int, delta: dict[str, Any], beside: dict[str, Any] | None = None, usage: Usage | None = None
    ) -> bytes:
        body = {"index": choice, "delta": delta, "finish_reason": None, **(beside or {})}
        told = b"" if usage is None else b',"usage":' + orjson.dumps(_usage(usage))
        return self._head + orjson.dumps(body) + b"]" + told + b"}\n\n"

    def _message(self, said: tuple[Utterance, ...]) -> dict[str, object]:
        spoken = gathered(said)
        calls = [
            {"id": _short(call.call_id), "function": {"name": call.name, "arguments": call.arguments}, "index": place}
            for place, call in enumerate(spoken.calls)
        ]
        content: object = spoken.text or spoken.declined
        if spoken.thoughts:
            content = [_thinking(spoken.thoughts), {"type": "text", "text": content}]
        return {"role": "assistant", "tool_calls": calls or None, "content": content}

    def _spoken(self, said: tuple[Utterance, ...]) -> list[dict[str, object]]:
        return [self._logprob(utterance.text) for utterance in said if isinstance(utterance, Said)]


def _thinking(text: str) -> dict[str, object]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _short(call_id: str) -> str:
    return call_id[-9:]


def _reason(reason: str) -> str:
    return "stop" if reason in ("refusal", "content_filter") else reason


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "total_tokens": usage.prompt_tokens + usage.output_tokens,
        "completion_tokens": usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def error_body(refusal: Refusal) -> bytes:
    if refusal.status == 401:
        return orjson.dumps({"detail": refusal.message or "Unauthorized"})
    if refusal.status == 422:
        wrong = {"type": "extra_forbidden", "loc": ["body", refusal.param], "msg": refusal.message or "Invalid"}
        return orjson.dumps({"detail": [wrong]})
    kind, code, message = _TYPES.get(refusal.status, _OTHER)
    error = {
        "object": "error",
        "message": refusal.message or message,
        "type": refusal.type or kind,
        "param": refusal.param,
        "code": refusal.code or code,
    }
    return orjson.dumps(error)
