"""What `sluice.yaml` may say of an account with a provider."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, JsonValue, SecretStr, model_validator

from shared.config.names import Name
from shared.config.quirks import QUIRKS, Quirks

__all__ = ["Provider"]


class Provider(BaseModel):
    """An account somewhere: who is called, and as whom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dialect: Name = "openai"
    """The family of APIs that it speaks."""
    base_url: HttpUrl
    """Up to and including the version, for example `https://api.openai.com/v1`.

    Of `azure` the resource alone: `https://my-resource.openai.azure.com`. Of `vertex` up to the region, with the
    project: `https://europe-west1-aiplatform.googleapis.com/v1/projects/my-project/locations/europe-west1`. Of
    `bedrock` the host of a region: `https://bedrock-runtime.eu-central-1.amazonaws.com`.
    """
    api_key: SecretStr | None = None
    keys: dict[Name, SecretStr] | tuple[SecretStr, ...] = ()
    """Instead of `api_key`, several that take turns, by names of your own or as a list. Limits of a deployment are
    those of each of them. Plans, ledger and logs call a key by its name, or by its place in the list, from 1."""
    auth: Name = "key"
    """How calls prove who we are.

    `key` sends `api_key` as the family wants it. `entra` sends a token of Microsoft Entra ID (needs `sluice[azure]`),
    `google` one of Google Cloud (needs `sluice[google]`), for the identity that the machine or its environment gives.
    `aws` signs each call (needs `sluice[bedrock]`): by `api_key`, if that is `key id:secret key` with or without
    `:session token` behind it, else by the keys that AWS's own environment, files and roles give.
    """
    aws_region: str | None = None
    """What `auth: aws` signs for, where that is not the region that `base_url` names, or AWS's own environment."""
    api_version: str | None = None
    """For families that want one named: the `api-version` of Azure, the `anthropic-version` of Anthropic."""
    headers: dict[str, SecretStr] = {}
    """Sent with every call, for example `OpenAI-Organization`."""
    ca_file: Path | None = None
    """Certificates (PEM) by which the server is known, instead of the public ones: one that signed its own, or an
    authority of your own. Read by the workers."""
    probe: Annotated[str, Field(pattern=r"^/[!-~]*$")] | None = "/models"
    """Behind `base_url`: asked for by GET, without a key, before a deployment that was left alone is tried again.

    Any answer below 500 will do. With `null` nothing is asked, and a job's call is the first to try it.
    """
    price_as: Name | None = None
    """The provider's name in the price book, where it is not this section's own name."""
    drop: tuple[str, ...] = ()
    """Parameters of a request that are left out here, for example `seed` or `messages.name`.

    What a family has no words for is left out only if it stands here; else such a request is not sent to it at all.
    """
    quirks: Quirks = Quirks()
    """Where it differs from what its dialect does."""

    @property
    def accounts(self) -> tuple["Provider", ...]:
        """The section for each key alone; itself where there are not several."""
        keys = self.keys.values() if isinstance(self.keys, dict) else self.keys
        return tuple(self.model_copy(update={"api_key": key, "keys": ()}) for key in keys) or (self,)

    @property
    def key_names(self) -> tuple[str | None, ...]:
        """What each of the accounts is called; None where there is but one that was given no name."""
        if isinstance(self.keys, dict) and self.keys:
            return tuple(self.keys)
        return tuple(str(number) for number in range(1, len(self.keys) + 1)) if len(self.keys) > 1 else (None,)

    @model_validator(mode="after")
    def _one_way_to_name_keys(self) -> Self:
        if self.keys and self.api_key is not None:
            raise ValueError("has `api_key` and `keys`; put that key among the others")
        return self

    @model_validator(mode="before")
    @classmethod
    def _with_known_quirks(cls, data: JsonValue) -> JsonValue:
        """What is known of the server, below what the file says of it."""
        known = QUIRKS.get(str(data.get("dialect"))) if isinstance(data, dict) else None
        if known is None or not isinstance(data, dict):
            return data
        said = data.get("quirks")
        if said is not None and not isinstance(said, dict):
            return data
        return {**data, "quirks": {**known.model_dump(mode="json"), **(said or {})}}
