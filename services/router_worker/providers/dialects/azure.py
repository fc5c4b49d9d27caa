"""Azure OpenAI: OpenAI's words at an address that names the deployment and the version of the API.

For the endpoints below `/openai/deployments/`. Those below `/openai/v1` are OpenAI's own dialect, with the quirk
`key_header: api-key`.
"""

from typing import Final
from urllib.parse import quote

from services.router_worker.failures import Unsupported
from services.router_worker.providers.dialect import HttpCall
from services.router_worker.providers.dialects.openai import OpenAI
from services.router_worker.providers.dialects.openai.request import encode
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider
from shared.contracts import Job

__all__ = ["Azure"]

_API_VERSION: Final = "2024-10-21"
"""The last that is generally available: learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle."""


class Azure(OpenAI):
    """`api-key` as the header of a key is a quirk (`shared/config/quirks.py`); a token comes by `auth: entra`."""

    def encode(
        self, job: Job, candidate: Candidate, provider: Provider, resume_text: str | None
    ) -> HttpCall | Unsupported:
        resource = str(provider.base_url).rstrip("/")
        deployment = quote(candidate.model, safe="")
        endpoint = job.endpoint.removeprefix("/v1")
        version = quote(provider.api_version or _API_VERSION, safe="")
        url = f"{resource}/openai/deployments/{deployment}{endpoint}?api-version={version}"
        return encode(job, candidate, provider, resume_text, url)
