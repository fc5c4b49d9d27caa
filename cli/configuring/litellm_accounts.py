"""Whose account is a deployment of LiteLLM's? Its model's prefix tells, and what stands beside it."""

import re
from collections.abc import Mapping
from typing import Any, Final

from cli.configuring.accounts import ACCOUNTS, Account

__all__ = ["AccountBook"]

_BY_PREFIX: Final[Mapping[str, str]] = {
    "openai": "openai",
    "text-completion-openai": "openai",
    "azure": "azure",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "vertex_ai": "vertex",
    "bedrock": "bedrock",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "mistral": "mistral",
    "together_ai": "together",
    "groq": "groq",
    "deepseek": "deepseek",
    "xai": "xai",
    "openrouter": "openrouter",
    "fireworks_ai": "fireworks",
    "hosted_vllm": "vllm",
    "vllm": "vllm",
    "ollama": "ollama",
    "ollama_chat": "ollama",
}
_BY_NAME: Final = (
    (re.compile(r"gpt-|o[1-9](-|$)|chatgpt|text-embedding-(3|ada)"), "openai"),
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"command|embed-(english|multilingual)"), "cohere"),
)
"""Names that need no prefix there."""
_OF_ITS_OWN: Final[Mapping[str, str]] = {"vllm": "http://127.0.0.1:8000/v1", "ollama": "http://127.0.0.1:11434/v1"}
_VARIABLE: Final = "os.environ/"
_KNOWN: Final[Mapping[str, Account]] = {account.name: account for account in ACCOUNTS}


class AccountBook:
    """Sections of `providers`, one for each account that was met."""

    def __init__(self, left: list[str]) -> None:
        """`left` takes what has no counterpart."""
        self.sections: dict[str, dict[str, Any]] = {}
        self.variables: list[str] = []
        self._left = left

    def of(self, where: str, given: Mapping[str, Any]) -> tuple[str, str] | None:
        """The section's name and what the provider calls the model; None where nobody here could call it."""
        family, model = self._family(given)
        if family is None:
            self._left.append(f"{where}: `{given.get('model')}` is at a provider that is not known here")
            return None
        section = self._section(where, family, given)
        if "base_url" not in section:
            self._left.append(f"{where}: where `{given.get('model')}` is served is not said; give it an `api_base`")
            return None
        for name, standing in self.sections.items():
            if standing == section:
                return name, model
        name = family
        while name in self.sections:
            count = re.search(r"-(\d+)$", name)
            name = f"{family}-{int(count[1]) + 1 if count else 2}"
        self.sections[name] = section
        return name, model

    def _family(self, given: Mapping[str, Any]) -> tuple[str | None, str]:
        model = str(given.get("model") or "")
        prefix, slash, rest = model.partition("/")
        said = given.get("custom_llm_provider")
        if said:
            return _BY_PREFIX.get(str(said)), rest if slash and prefix == said else model
        if slash and prefix in _BY_PREFIX:
            return _BY_PREFIX[prefix], rest.removeprefix("converse/").removeprefix("invoke/")
        found = next((family for pattern, family in _BY_NAME if pattern.match(model)), None)
        if found is None and (given.get("api_base") or given.get("base_url")):
            return "openai", model
        return found, model

    def _section(self, where: str, family: str, given: Mapping[str, Any]) -> dict[str, Any]:
        known = _KNOWN.get(family)
        section: dict[str, Any] = {}
        dialect = known.dialect if known else family
        if dialect != "openai":
            section["dialect"] = dialect
        base = self._variable(given.get("api_base") or given.get("base_url")) or self._usual_base(family, given)
        if base:
            section["base_url"] = base
        section |= self._proof(where, family, given)
        if given.get("api_version"):
            section["api_version"] = self._variable(given["api_version"])
        if given.get("organization"):
            section["headers"] = {"OpenAI-Organization": self._variable(given["organization"])}
        price_as = known.price_as if known else None
        return section | ({"price_as": price_as} if price_as else {})

    def _usual_base(self, family: str, given: Mapping[str, Any]) -> str | None:
        if family in _OF_ITS_OWN:
            return _OF_ITS_OWN[family]
        if family == "bedrock" and given.get("aws_region_name"):
            return f"https://bedrock-runtime.{self._variable(given['aws_region_name'])}.amazonaws.com"
        if family == "vertex" and given.get("vertex_project"):
            place, project = given.get("vertex_location") or "us-central1", self._variable(given["vertex_project"])
            place = self._variable(place)
            return f"https://{place}-aiplatform.googleapis.com/v1/projects/{project}/locations/{place}"
        base = _KNOWN[family].base_url
        for name in re.findall(r"\$\{(\w+)\}", base):
            self._needs(name)
        return base

    def _proof(self, where: str, family: str, given: Mapping[str, Any]) -> dict[str, Any]:
        known = _KNOWN.get(family)
        if known is not None and known.section is not None:
            return dict(known.section)
        key = given.get("api_key")
        if key is None and known is None:
            return {}
        usual = known.variables[0] if known else f"{family.upper()}_API_KEY"
        if key is None or str(key).startswith(_VARIABLE):
            return {"api_key": self._variable(key) if key else self._reference(usual)}
        number = 1 + sum(name == usual or name.startswith(f"{usual}_") for name in self.variables)
        variable = usual if number == 1 else f"{usual}_{number}"
        self._left.append(f"{where}.litellm_params.api_key: the key is not copied; set {variable} to it")
        return {"api_key": self._reference(variable)}

    def _variable(self, value: object) -> str | None:
        """`os.environ/X` as `${X}`."""
        if value is None:
            return None
        text = str(value)
        return self._reference(text.removeprefix(_VARIABLE)) if text.startswith(_VARIABLE) else text

    def _reference(self, variable: str) -> str:
        self._needs(variable)
        return f"${{{variable}}}"

    def _needs(self, variable: str) -> None:
        if variable not in self.variables:
            self.variables.append(variable)
