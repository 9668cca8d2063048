"""Members: the person behind the contacts, in LINE's own time order."""
