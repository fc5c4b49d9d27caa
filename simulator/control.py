"""What tests and the demo ask the simulator itself: `/_sim/...`. Nothing of it is counted as served."""

from urllib.parse import parse_qs, unquote

import orjson
from pydantic import ValidationError

from simulator.dialects.dialect import Reply
from simulator.exchange import Request
from simulator.provider import Provider
from simulator.script import Script
from simulator.served import ServedLog

__all__ = ["CONTROL_PREFIX", "Control"]

CONTROL_PREFIX = "/_sim/"

_JSON = (("content-type", "application/json"),)
_JSON_LINES = (("content-type", "application/jsonl"),)


class Control:
    def __init__(self, provider: Provider, served: ServedLog) -> None:
        self._provider = provider
        self._served = served

    def answer(self, request: Request) -> Reply:
        match request.method, *request.path.removeprefix(CONTROL_PREFIX).split("/"):
            case "GET", "totals":
                return _json(200, self._served.totals())
            case "GET", "served":
                return _json(200, self._served.after(_after(request)))
            case "GET", "served.jsonl":
                lines = b"".join(orjson.dumps(record) + b"\n" for record in self._served.after(_after(request)))
                return Reply(200, _JSON_LINES, lines)
            case "GET", "requests", client_request_id:
                return self._request(unquote(client_request_id))
            case "GET", "requests", client_request_id, "body":
                return self._body(unquote(client_request_id))
            case "GET", "scripts", model:
                return self._script(unquote(model))
            case "PUT", "scripts", model:
                return self._put_script(unquote(model), request.body)
            case "POST", "reset":
                self._provider.reset()
                self._served.reset()
                return _json(200, {"reset": True})
            case _:
                return _json(404, {"error": f"No {request.method} {request.path} here."})

    def _request(self, client_request_id: str) -> Reply:
        found = self._served.request(client_request_id)
        if found is None:
            return _json(404, {"error": f"No request {client_request_id} is kept."})
        return _json(
            200,
            {
                "method": found.method,
                "path": found.path,
                "query": found.query,
                "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in found.headers],
                "body": found.body.decode("utf-8", "replace"),
            },
        )

    def _body(self, client_request_id: str) -> Reply:
        found = self._served.request(client_request_id)
        if found is None:
            return _json(404, {"error": f"No request {client_request_id} is kept."})
        return Reply(200, (("content-type", "application/octet-stream"),), found.body)

    def _script(self, model: str) -> Reply:
        script = self._provider.script(model)
        if script is None:
            return _json(404, {"error": f"No model {model} is known."})
        return Reply(200, _JSON, script.model_dump_json(exclude_defaults=True).encode())

    def _put_script(self, model: str, body: bytes) -> Reply:
        try:
            script = Script.model_validate_json(body)
        except ValidationError as error:
            return Reply(422, _JSON, error.json(include_url=False).encode())
        self._provider.put_script(model, script)
        return _json(200, {"model": model})


def _after(request: Request) -> int:
    given = parse_qs(request.query).get("after", ["0"])[-1]
    return int(given) if given.isdecimal() else 0


def _json(status: int, value: object) -> Reply:
    return Reply(status, _JSON, orjson.dumps(value))
