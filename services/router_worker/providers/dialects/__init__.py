"""The families, one file or folder each. All of it is core: bytes and values in, values and bytes out."""
