"""One run of everything with faults: a scenario, the evidence of what came of it, and checks of that evidence."""
