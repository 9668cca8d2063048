"""Photos, videos, voice and files that users sent, as `GET /v2/bot/message/{id}/content` serves them."""

from __future__ import annotations

from collections.abc import Callable

MOST_BYTES = 256 * 1024 * 1024


class Content:
    """One piece of content; `ready_at` is when LINE has finished preparing it (UNIX seconds)."""

    __slots__ = ("data", "kind", "media_type", "ready_at", "slug", "unsent")

    def __init__(self, slug: str, kind: str, data: bytes, media_type: str, ready_at: float) -> None:
        self.slug = slug
        self.kind = kind
        self.data = data
        self.media_type = media_type
        self.ready_at = ready_at
        self.unsent = False


class ContentStore:
    """Content by message id; the oldest goes when the store is full, as LINE deletes content after some time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._by_id: dict[str, Content] = {}
        self._bytes = 0

    def put(self, message_id: str, slug: str, kind: str, data: bytes, media_type: str, prepare_ms: int = 0) -> None:
        """Keep content; it is served `prepare_ms` from now on, answered with 202 before."""
        self._by_id[message_id] = Content(slug, kind, data, media_type, self._now() + prepare_ms / 1000)
        self._bytes += len(data)
        while self._bytes > MOST_BYTES and len(self._by_id) > 1:
            oldest = self._by_id.pop(next(iter(self._by_id)))
            self._bytes -= len(oldest.data)

    def get(self, message_id: str, slug: str) -> Content | None:
        """Return the content of a message of this account, unsent or not; None if there is none."""
        content = self._by_id.get(message_id)
        return content if content is not None and content.slug == slug else None

    def find(self, message_id: str) -> Content | None:
        """Return the content of a message of any account."""
        return self._by_id.get(message_id)

    def unsend(self, message_id: str) -> None:
        """Drop the bytes of a message its user took back; from now on LINE answers 410."""
        content = self._by_id.get(message_id)
        if content is not None:
            self._bytes -= len(content.data)
            content.data = b""
            content.unsent = True

    def is_ready(self, content: Content) -> bool:
        """Whether LINE has finished preparing it."""
        return self._now() >= content.ready_at

    def clear(self) -> None:
        """Drop everything."""
        self._by_id.clear()
        self._bytes = 0
