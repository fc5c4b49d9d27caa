"""What crosses a process boundary, and the few words all three services speak."""
