"""Tracked links: the click is recorded, the person redirected."""
