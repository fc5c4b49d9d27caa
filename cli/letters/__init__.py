"""The dead letters: which are open, what is in them, and what is done about them."""
