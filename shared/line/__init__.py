"""LINE: a client whose every call ends in an outcome, and checks of messages against LINE's limits (design §6)."""
