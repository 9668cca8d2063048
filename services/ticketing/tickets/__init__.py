"""Tickets: opened once, changed by compare-and-set, each state told to the customer once."""
