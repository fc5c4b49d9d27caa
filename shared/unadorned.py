"""What does a service leave out of its libraries? Import this before anything else of the project.

structlog and httpx take rich and pygments, where they are installed, to draw on terminals. A service writes lines of
JSON. SQLAlchemy's asyncio comes with all of its ORM, and the public prices with an HTTP client to fetch newer ones:
accounting writes tables without objects, and its prices do not change by themselves. What nobody uses took a tenth of a
start and a tenth of the memory.
"""

import gc
import sys
from types import ModuleType
from typing import Final

_ABSENT: Final = ("rich", "pygments")
"""Their users do without."""

_EMPTY: Final = ("genai_prices.update_prices", "sqlalchemy.ext.asyncio.scoping", "sqlalchemy.ext.asyncio.session")
"""Their packages import names from them, and hand those on; here each is None."""

_OBJECTS_BETWEEN_LOOKS: Final = 50_000
"""What is imported stays. Python's collector, by its own thresholds, walks it hundreds of times until all is there."""


class _Empty(ModuleType):
    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


# As Python has it: None says that there is no such module.
sys.modules.update(dict.fromkeys(_ABSENT))  # type: ignore[arg-type]
sys.modules.update({name: _Empty(name) for name in _EMPTY})
gc.set_threshold(_OBJECTS_BETWEEN_LOOKS)
