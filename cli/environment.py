"""Where is everything? An environment variable says it, else the stack that runs here, else the default."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.stack.folder import StackFolder, find_folder
from cli.stack.ports import GATEWAY
from cli.stack.state import StackState, running_stack_state
from shared.settings import CommonSettings

__all__ = ["Environment", "Known", "discover", "here"]


@dataclass(frozen=True, slots=True)
class Known:
    """A value, and who says so: an error about it must name what has to be changed."""

    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Environment:
    variables: Mapping[str, str]
    folder: StackFolder
    stack: StackState | None
    """The stack that runs in the folder."""
    gateway: Known
    key: Known | None
    admin_key: Known | None
    kafka: Known
    redis: Known
    postgres: Known
    config_source: Known
    """The path of the configuration, and who chose it."""
    namespace: str
    topic_prefix: str
    blobs_url: str
    """Where the services leave what is too large for a record."""

    @property
    def config(self) -> Path:
        return Path(self.config_source.value)


def here() -> Environment:
    return discover(os.environ, Path.cwd())


def discover(environ: Mapping[str, str], cwd: Path) -> Environment:
    """Reads two small files at most. May raise OperatorError."""
    folder = find_folder(environ, cwd)
    stack = running_stack_state(folder)

    def known(variable: str, of_stack: str | None, default: str) -> Known:
        if text := environ.get(variable):
            return Known(text, variable)
        if of_stack:
            return Known(of_stack, f"the stack in {folder.root}")
        return Known(default, "the default")

    gateway = known("SLUICE_URL", stack.gateway_url if stack else None, f"http://127.0.0.1:{GATEWAY}")
    key = known("SLUICE_API_KEY", stack.api_key if stack else None, "")
    admin_key = known("SLUICE_ADMIN_KEY", stack.admin_key if stack else None, "")
    return Environment(
        variables=environ,
        folder=folder,
        stack=stack,
        gateway=Known(_without_version(gateway.value), gateway.source),
        key=key if key.value else None,
        admin_key=admin_key if admin_key.value else None,
        kafka=known("KAFKA_URL", stack.kafka_url if stack else None, _default("kafka_url")),
        redis=known("REDIS_URL", stack.redis_url if stack else None, _default("redis_url")),
        postgres=known("POSTGRES_URL", stack.postgres_url if stack else None, _default("postgres_url")),
        config_source=_config(environ, cwd, folder, stack),
        namespace=environ.get("SLUICE_NAMESPACE") or (stack.namespace if stack else "sluice"),
        topic_prefix=environ.get("SLUICE_TOPIC_PREFIX") or (stack.topic_prefix if stack else ""),
        blobs_url=known("SLUICE_BLOBS_URL", str(folder.blobs) if stack else None, _default("blobs_url")).value,
    )


def _without_version(url: str) -> str:
    """Many have the base URL of an OpenAI client at hand, and mean the gateway before it."""
    return url.rstrip("/").removesuffix("/v1")


def _default(field: str) -> str:
    """The same that the services take."""
    return str(CommonSettings.model_fields[field].default)


def _config(environ: Mapping[str, str], cwd: Path, folder: StackFolder, stack: StackState | None) -> Known:
    if named := environ.get("SLUICE_CONFIG"):
        return Known(named, "SLUICE_CONFIG")
    if stack and not (cwd / "sluice.yaml").exists():
        return Known(str(stack.config), f"the stack in {folder.root}")
    return Known("sluice.yaml", "the default")
