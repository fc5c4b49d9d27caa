"""Is this process alive, is it ready, what has it measured? `/livez`, `/readyz`, `/metrics` without a framework."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

from shared.serving import serving
from shared.telemetry.instruments import EXPOSITION_TYPE

__all__ = ["Live", "Ready", "probes", "serving_probes"]

Ready = Callable[[], Mapping[str, str | None]]
"""Every dependency by name: None when it answers, else what is wrong, in words. Must not block."""

Live = Callable[[], str | None]
"""None while the process makes progress, else what is stuck: an orchestrator then restarts it. Must not block."""

_JSON = "application/json"


def serving_probes(
    port: int, registry: CollectorRegistry, *, ready: Ready, live: Live, host: str = "0.0.0.0"
) -> AbstractAsyncContextManager[int]:
    """Answer the probes as long as the block lasts; gives the port, which is a free one when 0 was asked for."""
    return serving(probes(registry, ready=ready, live=live), host=host, port=port, grace_seconds=1)


def probes(registry: CollectorRegistry, *, ready: Ready, live: Live) -> ASGI3Application:
    def answer(path: str) -> tuple[int, str, bytes]:
        if path == "/metrics":
            return 200, EXPOSITION_TYPE, generate_latest(registry)
        if path == "/livez":
            stuck = live()
            return (503 if stuck else 200), _JSON, orjson.dumps({"live": not stuck, "stuck": stuck})
        if path == "/readyz":
            missing = {name: problem for name, problem in ready().items() if problem is not None}
            return (503 if missing else 200), _JSON, orjson.dumps({"ready": not missing, "missing": missing})
        return 404, _JSON, orjson.dumps({"paths": ["/livez", "/readyz", "/metrics"]})

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:  # noqa: ARG001
        if scope["type"] != "http":
            return
        status, content_type, body = answer(scope["path"])
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers, "trailers": False})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return app
