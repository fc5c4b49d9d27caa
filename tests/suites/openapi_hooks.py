"""What schemathesis cannot know from the document: which models there are. Without one, no request gets far."""

from typing import Any

import schemathesis
from hypothesis.internal import lambda_sources

# Some releases of CPython 3.11 fail now and then to parse large sources while another thread runs (gh-106905).
# Here that is done for nothing but the names of lambdas in reports.
lambda_sources._lambda_description = lambda _, **_options: "lambda: <unknown>"


@schemathesis.hook
def map_body(_context: schemathesis.HookContext, body: Any) -> Any:
    """Two of three names become one that is served; the third stays unknown."""
    if isinstance(body, dict) and isinstance(model := body.get("model"), str) and len(model) % 3:
        return body | {"model": "gpt-4o-mini"}
    return body
