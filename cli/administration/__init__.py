"""What the commands about tenants, teams and keys have alike."""
