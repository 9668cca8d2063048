"""Fixtures for every test of the project."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["shared.testing.servers", "shared.testing.stack"]

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("musubi", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("musubi")
