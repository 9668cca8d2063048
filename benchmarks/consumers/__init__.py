"""Consumers that are measured, each a process of its own that prints what it did as one line of JSON."""
