"""From bytes to a request: both doors read the same way, so that a file works through either."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from pydantic import AwareDatetime, BaseModel, ValidationError
from pydantic_core import ErrorDetails

from services.ingress.admission.chat_body import ChatBody
from services.ingress.admission.embeddings_body import EmbeddingsBody
from services.ingress.admission.json_text import read_object
from services.ingress.admission.refusal import Reason, Refused
from services.ingress.admission.repeats import repeat_of
from services.ingress.admission.request import CompletionRequest, Manner, Wishes
from shared.contracts import BatchLine, Door, Endpoint, JsonObject

__all__ = ["read_request"]


_NOT_BEFORE: Final = "not_before"


class _Schedule(BaseModel):
    """What the bare body of a job may say beside the request itself; a provider does not get to see it."""

    not_before: AwareDatetime | None = None


def read_request(raw: bytes, manner: Manner, wishes: Wishes) -> CompletionRequest | Refused:
    """`raw` is the body of a request or, at every door but OpenAI's own, an OpenAI batch line around one."""
    found = read_object(raw)
    if isinstance(found, Refused):
        return found
    repeat = repeat_of(wishes.key, found) if wishes.key else None
    try:
        return replace(_read(found, manner, wishes), repeat=repeat)
    except ValidationError as error:
        return _refusal(error.errors(include_url=False)[0])


def _read(found: JsonObject, manner: Manner, wishes: Wishes) -> CompletionRequest:
    """Raises ValidationError."""
    if manner.door is not Door.CHAT and _is_batch_line(found):
        line = BatchLine.model_validate(found)
        manner = replace(manner, endpoint=line.url)
        return _request(line.body, manner, _scheduled(wishes, line.not_before), line.custom_id)
    if manner.door is not Door.CHAT and _NOT_BEFORE in found:
        begins = _Schedule.model_validate({_NOT_BEFORE: found.pop(_NOT_BEFORE)}).not_before
        return _request(found, manner, _scheduled(wishes, begins), None)
    return _request(found, manner, wishes, None)


def _is_batch_line(found: JsonObject) -> bool:
    return "messages" not in found and ("body" in found or "custom_id" in found)


def _scheduled(wishes: Wishes, not_before: datetime | None) -> Wishes:
    """What a request says of itself goes before what a header says of all."""
    return wishes if not_before is None else replace(wishes, not_before=not_before)


def _request(body: JsonObject, manner: Manner, wishes: Wishes, custom_id: str | None) -> CompletionRequest:
    if (manner.endpoint or _meant(body)) is Endpoint.EMBEDDINGS:
        return _embeddings(body, manner, wishes, custom_id)
    chat = ChatBody.model_validate(body)
    tags = dict(chat.metadata or {})
    feature = tags.pop("feature", None)
    streamed = manner.streams_unless_told if chat.stream is None else chat.stream
    return CompletionRequest(
        door=manner.door,
        lane=wishes.lane or manner.lane,
        model=chat.model,
        body=body,
        streamed=streamed,
        output_tokens=chat.output_tokens,
        deadline=wishes.deadline,
        not_before=wishes.not_before,
        on_interrupt=wishes.on_interrupt or (manner.stream_on_interrupt if streamed else None),
        on_disconnect=wishes.on_disconnect or manner.on_disconnect,
        custom_id=custom_id,
        user=chat.user or chat.safety_identifier,
        feature=wishes.feature or feature,
        tags=tags,
        labels=wishes.labels,
    )


def _meant(body: JsonObject) -> Endpoint:
    """What a bare body is for."""
    return Endpoint.EMBEDDINGS if "input" in body and "messages" not in body else Endpoint.CHAT


def _embeddings(body: JsonObject, manner: Manner, wishes: Wishes, custom_id: str | None) -> CompletionRequest:
    asked = EmbeddingsBody.model_validate(body)
    tags = dict(asked.metadata or {})
    feature = tags.pop("feature", None)
    return CompletionRequest(
        door=manner.door,
        lane=wishes.lane or manner.lane,
        model=asked.model,
        body=body,
        streamed=False,
        endpoint=Endpoint.EMBEDDINGS,
        deadline=wishes.deadline,
        not_before=wishes.not_before,
        on_interrupt=wishes.on_interrupt,
        on_disconnect=wishes.on_disconnect or manner.on_disconnect,
        custom_id=custom_id,
        user=asked.user,
        feature=wishes.feature or feature,
        tags=tags,
        labels=wishes.labels,
    )


def _refusal(error: ErrorDetails) -> Refused:
    """The first thing wrong, as OpenAI words it."""
    param = _path(error["loc"])
    kind = error["type"]
    if kind == "missing":
        return Refused(Reason.MISSING_PARAMETER, f"Missing required parameter: '{param}'.", param)
    if kind.endswith("_type"):
        return Refused(Reason.INVALID_TYPE, f"Invalid type for '{param}': {_lower(error['msg'])}.", param)
    return Refused(Reason.INVALID_VALUE, f"Invalid '{param}': {_lower(error['msg'])}.", param)


def _path(places: tuple[int | str, ...]) -> str:
    path = ""
    for place in places:
        path += f"[{place}]" if isinstance(place, int) else f".{place}" if path else place
    return path[:128]


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
