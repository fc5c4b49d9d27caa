"""Reference pages that are made from the code, so that they cannot say anything else: `make docs` writes them."""

from docs.generators.pages import made, pages_of

__all__ = ["made", "pages_of"]
