"""What is settled before anything starts: whose configuration, which key, which ports."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.stack import quickstart
from cli.stack.folder import StackFolder
from cli.stack.ports import GATEWAY, demand, settle
from cli.stack.state import write_private
from shared.config import Config, load_config
from shared.errors import OperatorError
from shared.topics import SUBMIT

__all__ = ["Setting", "Wishes", "settled"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks for."""

    workers: int
    port: int | None
    config: Path | None
    simulator: bool
    """Whether a simulated provider may stand in when there is no configuration."""

    def as_arguments(self) -> list[str]:
        """The same wishes on another command line of `sluice up`."""
        arguments = [f"--workers={self.workers}", "--simulator" if self.simulator else "--no-simulator"]
        if self.port is not None:
            arguments.append(f"--port={self.port}")
        if self.config is not None:
            arguments.append(f"--config={self.config}")
        return arguments


@dataclass(frozen=True, slots=True)
class Setting:
    config_path: Path
    config: Config
    api_key: str | None
    """None when only the callers know theirs: a configuration holds hashes."""
    admin_key: str | None
    simulated: bool
    gateway_port: int
    ports: Mapping[str, int]
    """Of the services without a public port, by name."""
    namespace: str
    topic_prefix: str

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def submit_topic(self) -> str | None:
        """A topic that is bound to a caller, the usual one if it is."""
        bound = list(self.config.submit_topics)
        name = SUBMIT.name if SUBMIT.name in bound else next(iter(bound), None)
        return self.topic_prefix + name if name else None


def settled(folder: StackFolder, wishes: Wishes, environ: Mapping[str, str]) -> Setting:
    """Raises OperatorError. Called under the folder's lock, since it writes there."""
    gateway_port = demand(wishes.port or GATEWAY, option="--port")
    workers = [f"worker-{number}" for number in range(1, wishes.workers + 1)]
    ports = settle(("simulator", "accounting", *workers), folder.ports)
    own = _own_config(wishes, environ)
    api_key, admin_key = environ.get("SLUICE_API_KEY"), environ.get("SLUICE_ADMIN_KEY")
    if own is None:
        api_key, admin_key = quickstart.lasting_key(folder), quickstart.lasting_admin_key(folder)
        write_private(folder.config, quickstart.config_text(api_key, admin_key, ports["simulator"]))
        write_private(folder.simulator_config, quickstart.simulator_text())
    path = (own or folder.config).absolute()
    return Setting(
        config_path=path,
        config=load_config(path, environ),
        api_key=api_key,
        admin_key=admin_key,
        simulated=own is None,
        gateway_port=gateway_port,
        ports=ports,
        namespace=environ.get("SLUICE_NAMESPACE", "sluice"),
        topic_prefix=environ.get("SLUICE_TOPIC_PREFIX", ""),
    )


def _own_config(wishes: Wishes, environ: Mapping[str, str]) -> Path | None:
    """The user's configuration; None when there is none and a generated one is to be used."""
    named = wishes.config or (Path(text) if (text := environ.get("SLUICE_CONFIG")) else None)
    if named is not None:
        return named
    usual = Path("sluice.yaml")
    if usual.exists():
        return usual
    if wishes.simulator:
        return None
    raise OperatorError("There is no sluice.yaml here: write one, name one with --config, or omit --no-simulator.")
