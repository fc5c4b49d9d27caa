"""What may stand under a provider in the configuration? For whoever checks one."""

from typing import Final

from services.router_worker.providers.credentials import CREDENTIALS
from services.router_worker.providers.registry import DIALECTS
from shared.config.references import Known

__all__ = ["KNOWN"]

KNOWN: Final = Known(DIALECTS.keys(), CREDENTIALS.keys())
