"""What was said: every message of every contact, whichever way it went."""
