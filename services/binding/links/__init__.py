"""Links for shops to use: tracked ones, and those of add-friend sources."""
