"""The public chaos test: all of Sluice under load while its parts die, and four numbers that say what was lost."""
