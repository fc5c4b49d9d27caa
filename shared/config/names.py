"""What may be a name in `sluice.yaml`?"""

from typing import Annotated

from pydantic import Field

__all__ = ["Name"]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$")]
