"""Segments: named conditions on people, nested as far as staff need."""
