"""Threads with customers: one conversation a contact, its openings, what staff do with it."""
