"""The customer key that decides whether a member is bound."""
