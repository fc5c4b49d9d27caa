"""What is sent: the caller's body, every field of it, as the server's quirks have it, under its name for the model."""

from services.router_worker.failures import Unsupported
from services.router_worker.providers.chat import UnsupportedError
from services.router_worker.providers.dialect import HttpCall, asked, to_json
from services.router_worker.providers.dialects.openai.fitting import continued, fitted
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider
from shared.contracts import Endpoint, Job, JsonObject

__all__ = ["encode"]


def encode(
    job: Job, candidate: Candidate, provider: Provider, resume_text: str | None, url: str | None = None
) -> HttpCall | Unsupported:
    """`url` is for those who keep the endpoint somewhere else than below the base URL."""
    try:
        body: JsonObject = {**fitted(asked(job.body, provider), provider.quirks), "model": candidate.model}
    except UnsupportedError as lacking:
        return lacking.what
    if job.endpoint is Endpoint.EMBEDDINGS:
        body.pop("metadata", None)  # there it is Sluice's own: tags of the ledger's rows
    streamed = job.streamed and job.endpoint is Endpoint.CHAT
    if streamed:
        _ask_for_stream(body, usage=provider.quirks.usage_in_stream)
    else:
        body.pop("stream", None)
        body.pop("stream_options", None)
    if resume_text:
        body = continued(body, resume_text, provider.quirks)
    return HttpCall(
        url=url or str(provider.base_url).rstrip("/") + job.endpoint.removeprefix("/v1"),
        headers=_headers(provider, streamed=streamed),
        body=to_json(body),
    )


def _ask_for_stream(body: JsonObject, *, usage: bool) -> None:
    """Usage is asked for whether or not the caller did: the ledger wants it. Its chunk is held back on the way out."""
    wanted = body.get("stream_options")
    options = dict(wanted) if isinstance(wanted, dict) else {}
    options.pop("include_usage", None)
    if usage:
        options["include_usage"] = True
    body["stream"] = True
    if options:
        body["stream_options"] = options
    else:
        body.pop("stream_options", None)


def _headers(provider: Provider, *, streamed: bool) -> dict[str, str]:
    headers = {
        "accept": "text/event-stream" if streamed else "application/json",
        "content-type": "application/json",
    }
    if provider.api_key is not None:
        # A secret out of a file often brings its line break along.
        key = provider.api_key.get_secret_value().strip()
        name = provider.quirks.key_header.lower()
        headers[name] = f"Bearer {key}" if name == "authorization" else key
    return headers | {name.lower(): value.get_secret_value() for name, value in provider.headers.items()}
