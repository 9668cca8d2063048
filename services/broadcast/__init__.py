"""Who is written to: segments, campaigns and what LINE accepted of them."""
