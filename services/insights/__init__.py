"""What happened, honestly counted."""
