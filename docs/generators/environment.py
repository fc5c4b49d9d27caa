"""What each process takes from its environment, from the settings classes themselves."""

from typing import Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from docs.generators.docstrings import field_docs
from docs.generators.markdown import code, table
from services.accounting.settings import Settings as AccountingSettings
from services.ingress.settings import IngressSettings
from services.router_worker.settings import Settings as WorkerSettings
from shared.settings import CommonSettings

__all__ = ["SETTINGS", "section", "variables_of"]

SETTINGS: Final[dict[str, type[BaseSettings]]] = {
    "ingress": IngressSettings,
    "router_worker": WorkerSettings,
    "accounting": AccountingSettings,
}
"""By the service's name, which is also its name in `compose.yaml` and below `services/`."""


def section() -> str:
    parts = ["### Every process", _table(CommonSettings, frozenset())]
    for service, settings in SETTINGS.items():
        parts += [f"### {service}", _table(settings, frozenset(CommonSettings.model_fields))]
    return "\n\n".join(parts)


def variables_of(settings: type[BaseSettings]) -> frozenset[str]:
    return frozenset(_variable(field) for field in settings.model_fields.values())


def _table(settings: type[BaseSettings], known: frozenset[str]) -> str:
    meanings = field_docs(settings)
    return table(
        ("variable", "default", "meaning"),
        [
            (code(_variable(field)), _default(field), meanings.get(name, ""))
            for name, field in settings.model_fields.items()
            if name not in known
        ],
    )


def _variable(field: FieldInfo) -> str:
    return str(field.validation_alias)


def _default(field: FieldInfo) -> str:
    """What is made anew at every start is told by its meaning."""
    if field.default in (PydanticUndefined, None, "", SecretStr("")):
        return ""
    return code(str(field.default).lower() if isinstance(field.default, bool) else str(field.default))
