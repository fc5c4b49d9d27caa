"""What a LiteLLM proxy goes by, as a `sluice.yaml`: pure, from the parsed file to a document and what is not in it.

Nothing is left out silently: each setting that has no counterpart, or another meaning, is a sentence of its own. A key
that stands in the file is not copied; a variable takes its place, and the sentence says which.
"""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from cli.configuring.litellm_accounts import AccountBook
from shared.config.schema import Breaker

__all__ = ["Translation", "translated"]

Json = dict[str, Any]

_STRATEGIES: Final[Mapping[str, str]] = {
    "simple-shuffle": "weighted",
    "least-busy": "least-in-flight",
    "latency-based-routing": "latency",
    "cost-based-routing": "cost",
}
_MILLION: Final = Decimal(1_000_000)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")

_PARAMETERS: Final = frozenset(
    {
        *("model", "api_key", "api_base", "api_version", "organization", "custom_llm_provider", "rpm", "tpm"),
        *("max_parallel_requests", "weight", "order", "timeout", "stream_timeout", "region_name", "aws_region_name"),
        *("vertex_project", "vertex_location", "input_cost_per_token", "output_cost_per_token"),
        *("cache_read_input_token_cost", "cache_creation_input_token_cost", "max_retries", "base_url"),
    }
)
_INFO: Final = frozenset(
    {
        *("id", "mode", "base_model", "input_cost_per_token", "output_cost_per_token", "max_input_tokens"),
        *("max_tokens", "max_output_tokens", "cache_read_input_token_cost", "cache_creation_input_token_cost"),
    }
)
_MODES: Final = frozenset({"chat", "completion", "embedding", "responses"})
_ROUTER: Final = frozenset(
    {
        *("routing_strategy", "num_retries", "timeout", "stream_timeout", "fallbacks", "context_window_fallbacks"),
        *("content_policy_fallbacks", "default_fallbacks", "model_group_alias", "allowed_fails", "cooldown_time"),
    }
)
_ELSEWHERE: Final[Mapping[str, str]] = {
    "redis_host": "workers share what they know through `REDIS_URL`",
    "redis_port": "as `redis_host`",
    "redis_password": "as `redis_host`",
    "redis_url": "as `redis_host`",
    "master_key": "make keys with `sluice keys new`",
    "database_url": "PostgreSQL is named by `POSTGRES_URL`",
    "drop_params": "what may be left out is named, by `drop` of each provider",
    "success_callback": "every call is in the ledger; metrics and traces are in docs/operations.md",
    "failure_callback": "as `success_callback`",
    "callbacks": "as `success_callback`",
    "enable_pre_call_checks": "context windows and regions are always checked before a call",
}


@dataclass(slots=True)
class Translation:
    document: Json
    untranslated: list[str] = field(default_factory=list)
    """A sentence each, in the order of the file."""
    variables: list[str] = field(default_factory=list)
    """Those that must be set where it is used."""


def translated(source: Mapping[str, Any]) -> Translation:
    return _Importer(source).run()


class _Importer:
    def __init__(self, source: Mapping[str, Any]) -> None:
        self._source = source
        self._left: list[str] = []
        self._accounts = AccountBook(self._left)
        self._models: dict[str, Json] = {}
        self._orders: dict[str, list[float]] = {}
        self._prices: list[Json] = []
        self._names: set[str] = set()

    def run(self) -> Translation:
        for place, entry in enumerate(self._source.get("model_list") or ()):
            self._entry(f"model_list[{place}]", entry)
        document: Json = {"version": 1, "providers": self._accounts.sections, "models": self._models}
        for name, model in self._models.items():
            orders = self._orders[name]
            paired = sorted(zip(orders, model["deployments"], strict=True), key=lambda pair: pair[0])
            model["deployments"] = [deployment for _, deployment in paired]
        router = {**self._settings("litellm_settings"), **self._settings("router_settings")}
        self._route(router)
        if "allowed_fails" in router:
            self._left.append("allowed_fails: is `breaker.failures_in_a_row` here, and not counted by the minute")
        document |= _patience(router)
        if self._prices:
            document["prices"] = self._prices
        self._tell_the_rest()
        return Translation(document, self._left, self._accounts.variables)

    def _entry(self, where: str, entry: Json) -> None:
        name, given, info = (
            str(entry.get("model_name")),
            entry.get("litellm_params") or {},
            entry.get("model_info") or {},
        )
        given = {**{limit: entry[limit] for limit in ("rpm", "tpm") if limit in entry}, **given}
        if "*" in name or "*" in str(given.get("model")):
            self._left.append(f"{where}: `{name}` is a pattern; every model has a name here")
            return
        if not _NAME.fullmatch(name):
            self._left.append(f"{where}: `{name}` is no name here")
            return
        mode = info.get("mode", "chat")
        if mode not in _MODES:
            self._left.append(f"{where}: `{name}` is for {mode}, which is not served here")
            return
        found = self._accounts.of(where, given)
        if found is None:
            return
        provider, model = found
        self._unknown(f"{where}.litellm_params", given, _PARAMETERS)
        self._unknown(f"{where}.model_info", info, _INFO)
        deployment = self._deployment(provider, model, name, given, info)
        standing = self._models.setdefault(name, {"deployments": []})["deployments"]
        if any((each["provider"], each.get("model")) == (provider, deployment.get("model")) for each in standing):
            self._left.append(f"{where}: `{name}` has this deployment already; its limits and weight are those above")
            return
        standing.append(deployment)
        self._orders.setdefault(name, []).append(float(given.get("order") or 1e9))
        self._price(provider, model, {**info, **given})

    def _deployment(self, provider: str, model: str, name: str, given: Json, info: Json) -> Json:
        deployment: Json = {"provider": provider}
        if model != name:
            deployment["model"] = model
        called = str(info.get("id") or "")
        if _NAME.fullmatch(called) and called not in self._names:
            deployment["name"] = called
            self._names.add(called)
        limits = {
            "requests_per_minute": given.get("rpm"),
            "tokens_per_minute": given.get("tpm"),
            "concurrency": given.get("max_parallel_requests"),
        }
        timeouts = {"total_seconds": given.get("timeout"), "first_token_seconds": given.get("stream_timeout")}
        found = {
            "region": given.get("region_name"),
            "context_window": info.get("max_input_tokens"),
            "weight": given.get("weight"),
            "limits": _said(limits),
            "timeouts": _said(timeouts),
        }
        return deployment | _said(found)

    def _price(self, provider: str, model: str, told: Json) -> None:
        if "input_cost_per_token" not in told or "output_cost_per_token" not in told:
            return
        price = {
            "provider": provider,
            "model": model,
            "input": _per_million(told["input_cost_per_token"]),
            "output": _per_million(told["output_cost_per_token"]),
            "cache_read": _per_million(told.get("cache_read_input_token_cost")),
            "cache_write": _per_million(told.get("cache_creation_input_token_cost")),
        }
        if _said(price) not in self._prices:
            self._prices.append(_said(price))

    def _route(self, router: Json) -> None:
        strategy = router.get("routing_strategy", "simple-shuffle")
        if strategy not in _STRATEGIES:
            self._left.append(
                f"router_settings.routing_strategy: `{strategy}` is none of ours; `weighted` stands instead"
            )
        for name, model in self._models.items():
            ordered = len(set(self._orders[name])) > 1
            if len(model["deployments"]) > 1 and not ordered:
                model["strategy"] = _STRATEGIES.get(strategy, "weighted")
        self._fall_back_all(router)
        for alias, of in (router.get("model_group_alias") or {}).items():
            target = of.get("model") if isinstance(of, dict) else of
            if target in self._models and _NAME.fullmatch(str(alias)):
                self._models[str(alias)] = _alias(str(target), self._models[target])
            else:
                self._left.append(f"model_group_alias: `{alias}` stands for `{target}`, which is no model here")

    def _fall_back_all(self, router: Json) -> None:
        for setting, kind in (
            ("fallbacks", None),
            ("context_window_fallbacks", "context_too_long"),
            ("content_policy_fallbacks", "content_filter"),
        ):
            for name, models in _pairs(router.get(setting)):
                self._fall_back(setting, name, models, kind)
        for name in list(self._models):
            self._fall_back("default_fallbacks", name, router.get("default_fallbacks") or [], None)

    def _fall_back(self, setting: str, name: str, models: list[Any], kind: str | None) -> None:
        """Behind those that stand there already."""
        if name not in self._models:
            self._left.append(f"{setting}: `{name}` is no model here")
            return
        model = self._models[name]
        for each in models:
            if each not in self._models:
                self._left.append(f"{setting}: `{name}` falls back to `{each}`, which is no model here")
            elif each != name:
                at = model if kind is None else model.setdefault("fallbacks_for", {})
                standing = at.setdefault(kind or "fallbacks", [])
                if each not in standing:
                    standing.append(each)

    def _settings(self, section: str) -> Json:
        """What of it a router goes by; the rest is told."""
        found = dict(self._source.get(section) or {})
        if section == "litellm_settings" and "request_timeout" in found:
            found["timeout"] = found.pop("request_timeout")
        self._unknown(section, found, _ROUTER)
        return {name: value for name, value in found.items() if name in _ROUTER}

    def _unknown(self, where: str, given: Mapping[str, Any], known: frozenset[str]) -> None:
        for name in given:
            if name not in known:
                why = _ELSEWHERE.get(name, "has no counterpart")
                self._left.append(f"{where}.{name}: {why}")

    def _tell_the_rest(self) -> None:
        self._unknown("general_settings", self._source.get("general_settings") or {}, frozenset())
        for name in self._source.get("environment_variables") or {}:
            self._left.append(f"environment_variables.{name}: set it in the environment of the processes")
        told = {"model_list", "litellm_settings", "router_settings", "general_settings", "environment_variables"}
        self._left += [f"{name}: has no counterpart" for name in self._source if name not in told]


def _alias(name: str, model: Json) -> Json:
    """The same under another name: its deployments keep the upstream model that they had by the first one."""
    deployments = [
        {"provider": each["provider"], "model": each.get("model", name), **_without_name(each)}
        for each in model["deployments"]
    ]
    return deepcopy({**model, "deployments": deployments})


def _without_name(deployment: Json) -> Json:
    return {field: value for field, value in deployment.items() if field != "name"}


def _patience(router: Json) -> Json:
    timeouts = {"total_seconds": router.get("timeout"), "first_token_seconds": router.get("stream_timeout")}
    found = {
        "timeouts": _said(timeouts),
        "retries": _said({"per_deployment": router.get("num_retries")}),
        "breaker": _breaker(router),
    }
    return _said(found)


def _breaker(router: Json) -> Json:
    allowed, rest = router.get("allowed_fails"), router.get("cooldown_time")
    most = max(rest, Breaker().most_open_seconds) if isinstance(rest, int | float) else None
    in_a_row = allowed + 1 if isinstance(allowed, int) else None
    return _said({"failures_in_a_row": in_a_row, "open_seconds": rest, "most_open_seconds": most})


def _pairs(entries: object) -> Iterator[tuple[str, list[Any]]]:
    """`[{"a": ["b", "c"]}, …]`."""
    for entry in entries if isinstance(entries, list) else ():
        for name, models in entry.items() if isinstance(entry, dict) else ():
            yield str(name), models if isinstance(models, list) else [models]


def _said(values: Json) -> Json:
    return {name: value for name, value in values.items() if value not in (None, {}, [])}


def _per_million(cost: object) -> str | None:
    return None if cost is None else format((Decimal(str(cost)) * _MILLION).normalize(), "f")
