"""Campaigns: what is said to whom and when; an audience is frozen once, and sending takes it from there."""
