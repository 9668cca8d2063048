"""LINE's webhooks: verified, split, published, answered."""
