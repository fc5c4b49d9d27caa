"""What workers know of each other: who lives, who runs which job, and what they are told."""
