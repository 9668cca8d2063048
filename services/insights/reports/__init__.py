"""Reports: the counters as numbers for people, each with its source and as-of time."""
