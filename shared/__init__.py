"""The chassis: what two services need, and nothing else."""
