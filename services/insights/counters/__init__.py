"""Counting: what arrived becomes counters by hour and day, exact whatever is delivered twice or cut anew."""
