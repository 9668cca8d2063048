"""Fixtures for every test of the project."""

pytest_plugins = ["shared.testing.servers", "shared.testing.stack"]
