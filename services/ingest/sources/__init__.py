"""Add-friend sources: where new friends come from."""
