"""LINE's account link: nonces and the accountLink event."""
