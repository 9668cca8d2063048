"""Broadcast's own projection of members: a document a LINE contact."""
