"""Backing up what the services own, and bringing it back: a file, and what has to happen around it."""
