"""What the commands about usage and cost share: how the ledger is asked, and how its answers are shown."""
