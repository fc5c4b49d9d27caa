"""Configurations that are made: a first one from what is at hand, and one from what another gateway goes by."""
