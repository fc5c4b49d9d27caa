"""How is a request made to fit a server that is nearly OpenAI? Its quirks say; what does not fit is told, not lost."""

import re
from collections.abc import Iterator
from hashlib import blake2b

from pydantic import JsonValue

from services.router_worker.providers.chat import asks_nothing, lack
from shared.config.quirks import Quirks
from shared.contracts import JsonObject

__all__ = ["continued", "fitted"]

_USERS = ("user", "safety_identifier")
_THOUGHTS = ("reasoning_content", "thinking_blocks")
_SHORT = re.compile(r"[a-zA-Z0-9]{9}")
_EXTRA = "extra_content"


def fitted(body: JsonObject, quirks: Quirks) -> JsonObject:
    """Raises UnsupportedError for what the server could not be asked for."""
    for name in quirks.refuses:
        if name.startswith("messages."):
            _no_message_has(name.removeprefix("messages."), body)
        elif not asks_nothing(name, body.get(name)):
            lack(name, "is not heeded by this server")
    if not quirks.schemas and _type_of(body.get("response_format")) == "json_schema":
        lack("response_format", "cannot be a JSON Schema at this server")
    if not (quirks.images and quirks.image_urls):
        _look_for_pictures(body, quirks)
    kept = body if quirks.takes_user else {name: body[name] for name in body if name not in _USERS}
    renamed: JsonObject = {quirks.renames.get(name, name): value for name, value in kept.items()}
    fitting = _without_signatures(_without_thoughts(renamed, quirks), quirks)
    return _with_short_ids(fitting) if quirks.short_tool_ids else fitting


def continued(body: JsonObject, text: str, quirks: Quirks) -> JsonObject:
    """The request for what comes behind `text`."""
    messages = body.get("messages")
    last: JsonObject = {"role": "assistant", "content": text, **quirks.prefill_message}
    return {
        **body,
        **quirks.prefill_parameters,
        "messages": [*(messages if isinstance(messages, list) else []), last],
    }


def _with_short_ids(body: JsonObject) -> JsonObject:
    """Conversations that began elsewhere hold ids of any form; a call and its result keep the same one."""
    messages: list[JsonValue] = []
    for _, message in _messages(body):
        calls = message.get("tool_calls")
        fitting = dict(message)
        if isinstance(calls, list):
            fitting["tool_calls"] = [
                {**call, "id": _short(call.get("id"))} if isinstance(call, dict) else call for call in calls
            ]
        if "tool_call_id" in message:
            fitting["tool_call_id"] = _short(message["tool_call_id"])
        messages.append(fitting)
    return {**body, "messages": messages} if messages else body


def _short(name: JsonValue) -> str:
    text = str(name)
    return text if _SHORT.fullmatch(text) else blake2b(text.encode(), digest_size=5).hexdigest()[:9]


def _messages(body: JsonObject) -> Iterator[tuple[int, JsonObject]]:
    messages = body.get("messages")
    for index, message in enumerate(messages if isinstance(messages, list) else []):
        if isinstance(message, dict):
            yield index, message


def _no_message_has(name: str, body: JsonObject) -> None:
    for index, message in _messages(body):
        if message.get(name) is not None:
            lack(f"messages[{index}].{name}", "is not heeded by this server")


def _look_for_pictures(body: JsonObject, quirks: Quirks) -> None:
    for index, message in _messages(body):
        content = message.get("content")
        for place, part in enumerate(content if isinstance(content, list) else []):
            if _type_of(part) != "image_url":
                continue
            where = f"messages[{index}].content[{place}]"
            if not quirks.images:
                lack(where, "is a picture, which this server does not look at")
            if not _comes_along(part):
                lack(where, "is a picture that this server would have to fetch, which it does not")


def _comes_along(part: JsonValue) -> bool:
    image = part.get("image_url") if isinstance(part, dict) else None
    url = image.get("url") if isinstance(image, dict) else None
    return isinstance(url, str) and url.startswith("data:")


def _type_of(value: JsonValue) -> JsonValue:
    return value.get("type") if isinstance(value, dict) else None


def _without_thoughts(body: JsonObject, quirks: Quirks) -> JsonObject:
    """Thoughts go back under the server's name for them, or not at all: elsewhere they are an unknown field."""
    if not any(name in message for _, message in _messages(body) for name in _THOUGHTS):
        return body
    messages: list[JsonValue] = []
    for _, message in _messages(body):
        kept = {name: value for name, value in message.items() if name not in _THOUGHTS}
        thought = message.get("reasoning_content")
        messages.append({**kept, quirks.reasoning: thought} if thought and quirks.takes_reasoning else kept)
    return {**body, "messages": messages}


def _without_signatures(body: JsonObject, quirks: Quirks) -> JsonObject:
    """What a Gemini gave its tool calls to bring back is an unknown field anywhere else."""
    if quirks.takes_extra_content or not any(_is_signed(message) for _, message in _messages(body)):
        return body
    messages: list[JsonValue] = [
        {**message, "tool_calls": [_without_content(call) for call in _calls(message)]}
        if _is_signed(message)
        else message
        for _, message in _messages(body)
    ]
    return {**body, "messages": messages}


def _calls(message: JsonObject) -> list[JsonValue]:
    calls = message.get("tool_calls")
    return calls if isinstance(calls, list) else []


def _is_signed(message: JsonObject) -> bool:
    return any(isinstance(call, dict) and _EXTRA in call for call in _calls(message))


def _without_content(call: JsonValue) -> JsonValue:
    return {name: value for name, value in call.items() if name != _EXTRA} if isinstance(call, dict) else call
