"""The rich menu each contact should have."""
