"""Musubi against yardsticks, side by side on one machine: `make bench`. README.md says how to read it."""
