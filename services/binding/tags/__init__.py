"""Tags on members: by staff one by one, by CSV many at once, gone by themselves when they expire."""
