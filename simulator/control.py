"""What tests and the demo ask the simulator itself: `/_sim/...`. Nothing of it is counted as served."""

from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs, unquote

import orjson
from pydantic import ValidationError

from simulator.dialects.dialect import Headers, Reply
from simulator.exchange import Request
from simulator.provider import Provider
from simulator.script import Script
from simulator.served import ServedLog

__all__ = ["CONTROL_PREFIX", "Control"]

CONTROL_PREFIX: Final = "/_sim/"

_JSON: Final[Headers] = (("content-type", "application/json"),)
_JSON_LINES: Final[Headers] = (("content-type", "application/jsonl"),)
_BYTES: Final[Headers] = (("content-type", "application/octet-stream"),)
_BODY: Final = "/body"


class Control:
    def __init__(self, provider: Provider, served: ServedLog) -> None:
        self._provider = provider
        self._served = served
        self._rooms: dict[tuple[str, str], Callable[[str, Request], Reply]] = {
            ("GET", "totals"): self._totals,
            ("GET", "served"): self._list_served,
            ("GET", "served.jsonl"): self._list_served_lines,
            ("GET", "requests"): self._request,
            ("GET", "scripts"): self._script,
            ("PUT", "scripts"): self._put_script,
            ("POST", "reset"): self._reset,
        }

    def answer(self, request: Request) -> Reply:
        noun, _, name = request.path.removeprefix(CONTROL_PREFIX).partition("/")
        room = self._rooms.get((request.method, noun))
        if room is None:
            return _missing(f"{request.method} {request.path}")
        return room(unquote(name), request)

    def _totals(self, _name: str, _request: Request) -> Reply:
        return _json(self._served.totals())

    def _list_served(self, _name: str, request: Request) -> Reply:
        return _json(self._served.after(_after(request)))

    def _list_served_lines(self, _name: str, request: Request) -> Reply:
        lines = b"".join(orjson.dumps(record) + b"\n" for record in self._served.after(_after(request)))
        return Reply(200, _JSON_LINES, lines)

    def _request(self, name: str, _request: Request) -> Reply:
        client_request_id = name.removesuffix(_BODY)
        found = self._served.request(client_request_id)
        if found is None:
            return _missing(f"request {client_request_id}")
        if name.endswith(_BODY):
            return Reply(200, _BYTES, found.body)
        return _json(
            {
                "method": found.method,
                "path": found.path,
                "query": found.query,
                "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in found.headers],
                "body": found.body.decode("utf-8", "replace"),
            }
        )

    def _script(self, model: str, _request: Request) -> Reply:
        script = self._provider.script(model)
        if script is None:
            return _missing(f"model {model}")
        return Reply(200, _JSON, script.model_dump_json(exclude_defaults=True).encode())

    def _put_script(self, model: str, request: Request) -> Reply:
        try:
            script = Script.model_validate_json(request.body)
        except ValidationError as error:
            return Reply(422, _JSON, error.json(include_url=False).encode())
        self._provider.put_script(model, script)
        return _json({"model": model})

    def _reset(self, _name: str, _request: Request) -> Reply:
        self._provider.reset()
        self._served.reset()
        return _json({"reset": True})


def _after(request: Request) -> int:
    given = parse_qs(request.query).get("after", ["0"])[-1]
    return int(given) if given.isdecimal() else 0


def _json(value: object) -> Reply:
    return Reply(200, _JSON, orjson.dumps(value))


def _missing(what: str) -> Reply:
    return Reply(404, _JSON, orjson.dumps({"error": f"There is no {what} here."}))
