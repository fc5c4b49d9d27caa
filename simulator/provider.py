"""What a request gets: the one place where keys, quotas, scripts and faults are weighed. Holds state, but no socket."""

from dataclasses import dataclass, replace
from hashlib import blake2b, sha256
from http import HTTPStatus
from random import Random
from typing import NamedTuple

from pydantic import ValidationError

from simulator.answer import compose
from simulator.config import Config
from simulator.dialects import DIALECTS, find_dialect
from simulator.dialects.dialect import Dialect, RefusalError, Route, Stamp
from simulator.exchange import Ask, Refusal, Request
from simulator.faults import AnyFault, HangUp, Refuse, Stray
from simulator.prompt_count import exact_count
from simulator.quota import Headroom, Meter, Refused
from simulator.response import Response, Scene, answered, failed, refused, replied
from simulator.script import Script, parse_overrides
from simulator.served import Call, How, ServedLog
from simulator.tally import Tally

__all__ = ["Instant", "Performance", "Provider"]

_REMEMBERED_CALLS = 100_000


class Instant(NamedTuple):
    monotonic: float
    unix: float


@dataclass(frozen=True, slots=True)
class _Pass:
    """What the quota gave a call and wants settled at its end."""

    meter: Meter
    taken: int


@dataclass(frozen=True, slots=True)
class Performance:
    """A response, and the books that its sending is noted in."""

    response: Response
    call: Call | None = None
    """None where nothing is served."""
    admission: _Pass | None = None


class Provider:
    def __init__(self, config: Config, served: ServedLog) -> None:
        self._config = config
        self._served = served
        self._keys = frozenset(config.api_keys)
        self._scripts = dict(config.models)
        self._count_prompt = exact_count(config.count_prompts) if config.count_prompts else None
        self._meters: dict[tuple[str | None, str], Meter] = {}
        self._tally = Tally(_REMEMBERED_CALLS)
        self._born_after = served.last_seq
        self._calls = 0

    def receive(self, request: Request, now: Instant) -> Performance:
        """Never raises. A performance with a call must be handed to `finish` in the end."""
        found = find_dialect(request.method, request.path)
        if found is None:
            message = f"Unknown request URL: {request.method} {request.path}."
            return Performance(refused(DIALECTS[0], Refusal(404, message, code="unknown_url")))
        dialect, route = found
        if route is Route.MODELS:
            return Performance(self._models(dialect, request, now))
        call = self._served.begin(self._next_id(), request, now.unix)
        named = (("x-request-id", f"req_{call.call_id}"),)
        try:
            performance = self._perform(dialect, request, call, now)
        except RefusalError as end:
            performance = Performance(refused(dialect, end.refusal), call)
        return replace(performance, response=performance.response.with_headers(named))

    def finish(self, performance: Performance, how: How, now: Instant) -> None:
        call = performance.call
        if call is None:
            return
        if performance.admission:
            output = call.written if call.reported is None else call.reported
            performance.admission.meter.settle(performance.admission.taken, call.prompt_tokens + output, now.monotonic)
        self._served.end(call, how, now.unix)

    def script(self, model: str) -> Script | None:
        if model in self._scripts:
            return self._scripts[model]
        if self._config.default is not None:
            return self._config.default
        return None if self._config.models else Script()

    def put_script(self, model: str, script: Script) -> None:
        """`model` plays `script` from its next call on, and its calls are counted anew."""
        self._scripts[model] = script
        self._tally.forget(model)

    def reset(self) -> None:
        """Back to the configured scripts, full quotas, and call number one."""
        self._scripts = dict(self._config.models)
        self._meters.clear()
        self._tally.clear()

    def _next_id(self) -> str:
        self._calls += 1
        facts = f"{self._config.seed}/{self._born_after}/{self._calls}"
        return blake2b(facts.encode(), digest_size=14).hexdigest()

    def _models(self, dialect: Dialect, request: Request, now: Instant) -> Response:
        try:
            self._check_key(dialect, request)
        except RefusalError as end:
            return refused(dialect, end.refusal)
        return replied(dialect.models(tuple(self._scripts), int(now.unix)))

    def _perform(self, dialect: Dialect, request: Request, call: Call, now: Instant) -> Performance:
        call.api_key = self._check_key(dialect, request)
        ask = dialect.understand(request)
        if self._count_prompt is not None:
            ask = replace(ask, prompt_tokens=self._count_prompt(request.body))
        name, _, suffix = ask.model.partition(";")
        call.model, call.stream = name, ask.stream
        script = self._script_of(name, (suffix, ask.script, request.header(b"x-sim-script")))
        admission, headroom = self._admit(dialect, call.api_key, name, ask, now)
        fault = self._fault(name, script, ask)
        call.fault = fault.key if fault else None
        scene = Scene(dialect, ask, script, fault, self._rng(name, ask.prompt.hex()))
        if isinstance(fault, Refuse | Stray | HangUp):
            response = failed(scene, fault)
        else:
            answer = compose(ask, script, scene.rng)
            response = answered(scene, answer, dialect.voice(ask, Stamp(call.call_id, int(now.unix), name)))
            if response.status == HTTPStatus.OK:
                call.prompt_tokens, call.cached_tokens = answer.usage.prompt_tokens, answer.usage.cached_tokens
                call.reasoning_tokens = answer.usage.reasoning_tokens
        return Performance(response.with_headers(dialect.quota_headers(headroom, now.unix)), call, admission)

    def _check_key(self, dialect: Dialect, request: Request) -> str | None:
        """The key's fingerprint; None when none came and none is needed."""
        key = dialect.api_key(request)
        if self._keys and key not in self._keys:
            shown = f"Incorrect API key provided: {key[:3]}***{key[-4:]}." if key else "You didn't provide an API key."
            raise RefusalError(Refusal(401, shown, code="invalid_api_key" if key else None))
        return sha256(key.encode()).hexdigest()[:12] if key else None

    def _script_of(self, model: str, overrides: tuple[str | None, ...]) -> Script:
        script = self.script(model)
        if script is None:
            message = f"The model `{model}` does not exist or you do not have access to it."
            raise RefusalError(Refusal(404, message, code="model_not_found"))
        try:
            for text in filter(None, overrides):
                script = script.revised(parse_overrides(text))
        except (ValidationError, ValueError) as error:
            message = f"The simulator cannot play this script: {error}"
            raise RefusalError(Refusal(400, message, param="x-sim-script")) from error
        return script

    def _admit(
        self, dialect: Dialect, key: str | None, model: str, ask: Ask, now: Instant
    ) -> tuple[_Pass | None, tuple[Headroom, ...]]:
        quota = self._config.quotas.get(model, self._config.quota)
        if quota is None:
            return None, ()
        meter = self._meters.get((key, model)) or self._meters.setdefault((key, model), Meter(quota))
        taken = ask.prompt_tokens + (ask.max_tokens or 0) * ask.choices
        verdict = meter.admit(taken, now.monotonic)
        if isinstance(verdict, Refused):
            refusal = dialect.over_quota(model, verdict)
            limits = dialect.quota_headers(verdict.headroom, now.unix)
            raise RefusalError(replace(refusal, headers=refusal.headers + limits))
        return _Pass(meter, taken), verdict.headroom

    def _fault(self, model: str, script: Script, ask: Ask) -> AnyFault | None:
        if not script.faults:
            return None
        nth = self._tally.count(model, script)
        nth_of_prompt = self._tally.count(model, (script, ask.prompt))
        for number, fault in enumerate(script.faults):
            rng = self._rng(model, f"{ask.prompt.hex()}/{nth_of_prompt}/{number}")
            if fault.strikes(nth, nth_of_prompt, rng):
                return fault
        return None

    def _rng(self, model: str, facts: str) -> Random:
        return Random(f"{self._config.seed}/{model}/{facts}")  # noqa: S311  (a script, not a secret)
