"""The first `sluice.yaml` of somebody: what is in the environment decides what stands in it. No key does."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cli.configuring.accounts import ACCOUNTS, Account

__all__ = ["accounts_in", "starter"]

_OPENING: Final = """\
# A configuration to begin with, from the provider keys in the environment where it was made. The keys are not in it:
# ${NAME} is taken from the environment of the processes. Check it with `sluice config validate`, change what you like
# while they run, and see sluice.example.yaml and docs/configuration.md for all that may stand here.

version: 1

# Who may ask. Only the hash of a key stands here; `sluice keys new NAME --tenant TENANT` makes more.
tenants:
  default:
    keys:
      starter: { hash: "%s" }
"""

_NONE: Final = """\
# No key of a known provider was found in the environment. A server of your own needs none:
providers:
  vllm: # `vllm serve meta-llama/Llama-3.3-70B-Instruct`
    dialect: vllm # or ollama, or any other that speaks OpenAI's API
    base_url: http://127.0.0.1:8000/v1

models:
  llama-3.3-70b:
    deployments:
      - { provider: vllm, model: meta-llama/Llama-3.3-70B-Instruct }
"""

_CLOSING: Final = """\
# What follows may stand here too; these are the defaults.
# timeouts: { connect_seconds: 5, first_token_seconds: 60, between_tokens_seconds: 30, total_seconds: 600 }
# retries: { per_deployment: 2, rounds: 2 }
# on_interrupt: restart # or fail, or continue
"""


def accounts_in(env: Mapping[str, str]) -> Sequence[tuple[Account, str]]:
    """Those whose key is there, with the variable that it is in."""
    return [(account, found) for account in ACCOUNTS if (found := account.found_in(env))]


def starter(env: Mapping[str, str], key_hash: str) -> str:
    """The file, for whoever has the key of that hash."""
    found = accounts_in(env)
    middle = _NONE if not found else "\n".join([*_providers(found), "", *_models(found), ""])
    return "\n".join([_OPENING % key_hash, middle, _CLOSING])


def _providers(found: Sequence[tuple[Account, str]]) -> Iterator[str]:
    yield "# Accounts: who is called, and as whom."
    yield "providers:"
    for account, variable in found:
        yield f"  {account.name}:"
        if account.dialect != "openai":
            yield f"    dialect: {account.dialect}"
        yield f"    base_url: {account.base_url}"
        if account.section is None:
            yield f"    api_key: ${{{variable}}}"
        else:
            yield from (f"    {name}: {value} # by {variable}" for name, value in account.section.items())
        if account.price_as is not None:
            yield f"    price_as: {account.price_as}"


def _models(found: Sequence[tuple[Account, str]]) -> Iterator[str]:
    served: dict[str, list[str]] = {}
    for account, _ in found:
        for model in account.models:
            served.setdefault(model, []).append(account.name)
    yield "# Names that callers ask for, and who can serve them, in order of preference. Some of each account to begin"
    yield "# with: a name may be your own, and several accounts may serve it."
    yield "models:"
    for model, accounts in served.items():
        yield f"  {model}:" if _is_plain(model) else f'  "{model}":'
        yield "    deployments:"
        for name in accounts:
            yield f"      - provider: {name}"
            if name == "azure":
                yield f"        model: {model} # the name of your deployment there"


def _is_plain(name: str) -> bool:
    return ":" not in name
