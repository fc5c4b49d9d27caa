"""The whole of Sluice on one machine: what `sluice up` starts, watches and ends, and what others can read of it."""
