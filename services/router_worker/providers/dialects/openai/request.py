"""What is sent: the caller's body, every field of it, under the provider's name for the model."""

import json

import orjson
from pydantic import JsonValue

from services.router_worker.providers.dialect import HttpCall, asked
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider
from shared.contracts import Endpoint, Job, JsonObject

__all__ = ["encode"]


def encode(job: Job, candidate: Candidate, provider: Provider, resume_text: str | None) -> HttpCall:
    body: JsonObject = {**asked(job.body, provider), "model": candidate.model}
    streamed = job.streamed and job.endpoint is Endpoint.CHAT
    if streamed:
        _ask_for_stream(body, usage=provider.quirks.usage_in_stream)
    else:
        body.pop("stream", None)
        body.pop("stream_options", None)
    if resume_text:
        body["messages"] = _with_prefill(body.get("messages"), resume_text)
    return HttpCall(
        url=str(provider.base_url).rstrip("/") + job.endpoint.removeprefix("/v1"),
        headers=_headers(provider, streamed=streamed),
        body=_to_json(body),
    )


def _ask_for_stream(body: JsonObject, *, usage: bool) -> None:
    """Usage is asked for whether or not the caller did: the ledger wants it. Its chunk is held back on the way out."""
    asked = body.get("stream_options")
    options = dict(asked) if isinstance(asked, dict) else {}
    options.pop("include_usage", None)
    if usage:
        options["include_usage"] = True
    body["stream"] = True
    if options:
        body["stream_options"] = options
    else:
        body.pop("stream_options", None)


def _with_prefill(messages: JsonValue, text: str) -> JsonValue:
    before = messages if isinstance(messages, list) else []
    return [*before, {"role": "assistant", "content": text}]


def _headers(provider: Provider, *, streamed: bool) -> dict[str, str]:
    headers = {
        "accept": "text/event-stream" if streamed else "application/json",
        "content-type": "application/json",
    }
    if provider.api_key is not None:
        # A secret out of a file often brings its line break along.
        headers["authorization"] = f"Bearer {provider.api_key.get_secret_value().strip()}"
    return headers | {name.lower(): value.get_secret_value() for name, value in provider.headers.items()}


def _to_json(body: JsonObject) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        # Whole numbers beyond 64 bits, which JSON allows and a caller's own fields may hold.
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
