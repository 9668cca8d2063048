"""What users sent: photos, videos, sounds, files. Fetched from LINE at once and kept, because LINE deletes them."""
