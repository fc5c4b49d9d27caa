"""Which of the jobs that wait for a slot goes next? Pure."""
