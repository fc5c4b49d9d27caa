"""What the commands of `sluice route` do."""
