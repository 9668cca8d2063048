"""The topic job."""
