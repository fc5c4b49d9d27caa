"""Lets calls begin: the gates of this worker, kept open and shut by clock and book."""
