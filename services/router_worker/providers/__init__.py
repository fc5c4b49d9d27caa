"""Calling the providers of completions."""
