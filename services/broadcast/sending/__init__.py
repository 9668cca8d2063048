"""Sending: chunks of frozen audiences leave once each, whatever dies on the way (design §7)."""
