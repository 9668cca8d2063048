"""The commands, a small module each."""
