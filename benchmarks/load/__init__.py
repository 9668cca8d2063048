"""Signed webhooks and what sends them."""
