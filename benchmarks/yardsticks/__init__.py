"""What the web side is measured against: small servers as one would write them without Musubi."""
