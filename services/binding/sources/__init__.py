"""Which add-friend source led to a follow."""
