"""Answers to keywords, by binding and time of day."""
