"""What ends a story before its report."""

from __future__ import annotations


class StoryError(Exception):
    """The story cannot go on; the text says what was asked, what came back, and what to do. No user id stands in it."""


class ChangedMeanwhile(StoryError):
    """What was to be changed is no longer as it was read."""
