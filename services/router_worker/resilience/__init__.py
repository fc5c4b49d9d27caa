"""What failures mean and how long to wait. Pure."""
