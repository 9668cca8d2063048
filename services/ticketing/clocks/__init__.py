"""Working time: opening hours and targets of an account's desk, and the time that passes within them."""
