"""What `sluice audit` does."""
