"""Signatures of AWS (version 4), by keys that stand in the configuration, or that botocore finds for this machine.

It looks in the environment, in AWS's own files, and at the roles of the machine, the container or the workload.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from services.router_worker.failures import FailureKind
from services.router_worker.providers.dialect import HttpCall
from services.router_worker.providers.signing import NoCredentialsError
from shared.config.schema import Provider

__all__ = ["AwsSignatures", "aws_signatures"]

_REGION: Final = re.compile(r"(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d)\.")
"""In the name of the host, also where that is an endpoint of a private network."""
_SERVICE: Final = "bedrock"
_EARLY_SECONDS: Final = 300
"""Keys that expire are fetched anew so long before: when that fails, the old ones still serve."""
_CONNECT_SECONDS, _READ_SECONDS = 5, 10
"""The longest that AWS's token service may take."""


def aws_signatures(provider: Provider) -> "AwsSignatures":
    try:
        from botocore.config import Config
        from botocore.credentials import Credentials
        from botocore.session import Session
    except ImportError as error:
        raise NoCredentialsError("`auth: aws` needs botocore: install `sluice[bedrock]`.") from error
    # At DEBUG it writes down what it signs, and session tokens are among that.
    logging.getLogger("botocore.auth").setLevel(logging.INFO)
    session = Session()
    session.set_default_client_config(
        Config(connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, retries={"total_max_attempts": 2})
    )
    named = _REGION.search(provider.base_url.host or "")
    region = provider.aws_region or (named[1] if named else session.get_config_variable("region"))
    if not region:
        raise NoCredentialsError("`auth: aws` needs a region: name one as `aws_region`.")
    if provider.api_key is None:
        return AwsSignatures(region, session.get_credentials)
    parts = provider.api_key.get_secret_value().strip().split(":", 2)
    if len(parts) < 2 or not all(parts):
        raise NoCredentialsError("With `auth: aws`, `api_key` is `key id:secret key`, or those and `:session token`.")
    return AwsSignatures(region, lambda: Credentials(*parts))


class AwsSignatures:
    """`signing.Credentials` by a signature over each call."""

    def __init__(self, region: str, find: Callable[[], Any]) -> None:
        """`find` gives botocore's credentials, or None; it may block, and so may they when they have to be renewed."""
        self._region = region
        self._find = find
        self._source: Any = None
        self._keys: Any = None
        self._one_at_a_time = asyncio.Lock()

    async def sign(self, call: HttpCall) -> HttpCall:
        if not self._last(_EARLY_SECONDS):
            async with self._one_at_a_time:
                if not self._last(_EARLY_SECONDS):
                    await self._renew()
        return replace(call, headers={**call.headers, **_signed(call, self._keys, self._region)})

    async def close(self) -> None:
        pass

    def _last(self, seconds: int) -> bool:
        """Whether the keys do. Those that do not expire have no such question."""
        refreshes = getattr(self._source, "refresh_needed", None)
        return self._keys is not None and not (refreshes and refreshes(seconds))

    async def _renew(self) -> None:
        try:
            self._source, self._keys = await asyncio.to_thread(_found, self._source, self._find)
        except NoCredentialsError:
            if not self._last(0):
                raise


def _found(source: Any, find: Callable[[], Any]) -> tuple[Any, Any]:  # noqa: ANN401 - botocore has no types
    """Blocks: botocore knows no other way."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as NoConnectionError

    try:
        source = source or find()
        keys = source.get_frozen_credentials() if source is not None else None
    except (NoConnectionError, HTTPClientError) as error:
        raise NoCredentialsError("AWS's token service could not be reached.", FailureKind.CONNECT) from error
    except (BotoCoreError, ClientError, RuntimeError) as error:
        # A RuntimeError says that what was fetched anew has expired, too.
        raise NoCredentialsError("AWS gave no keys to the gateway.") from error
    if keys is None:
        raise NoCredentialsError("There are no keys of AWS for the gateway.")
    return source, keys


def _signed(call: HttpCall, keys: Any, region: str) -> dict[str, str]:  # noqa: ANN401 - botocore has no types
    """The headers that prove it. Only what nobody changes on the way is signed: address, body and their kind."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    headers = {"content-type": call.headers["content-type"]}
    request = AWSRequest("POST", call.url, headers=headers, data=call.body)
    SigV4Auth(keys, _SERVICE, region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}
