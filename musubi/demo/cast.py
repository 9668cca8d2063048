"""Who plays, and what each of them will do: made from a seed, the same for the same seed. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from musubi.demo.line_side import Action

MESSAGE_KINDS = ("text", "sticker", "image", "location", "video", "audio", "file")
"""Every kind of message a user can send (REF "Message event")."""
KIND_WEIGHTS = (50, 16, 12, 7, 5, 5, 5)

SECOND_ACCOUNT = 0.35
BOTH_ACCOUNTS = 0.08
BLOCK = 0.18
COME_BACK = 0.5
BOUND_BY_STAFF = 0.12
MOST_TALK = 3

TEXTS = ("您好，請問今天有開嗎？", "謝謝！", "修理はいつ終わりますか。", "Do you have oat milk?", "👍", "ขอบคุณค่ะ")


@dataclass(frozen=True)
class Part:
    """What one person does with one account."""

    number: int
    """The person: the number within the crowd's seed."""
    channel: str
    talk: tuple[str, ...]
    """Kinds of the messages they send."""
    blocks: bool
    comes_back: bool
    bound_by_staff: bool


def write_parts(seed: str, friends: int, channels: Sequence[str]) -> list[Part]:
    """Give everybody a part, some two: one for each of the (at most two) accounts they add."""
    chance = random.Random(seed)
    parts = []
    for number in range(friends):
        parts += [_part(chance, number, channel) for channel in _accounts(chance, channels)]
    return parts


def _accounts(chance: random.Random, channels: Sequence[str]) -> Sequence[str]:
    if len(channels) == 1 or chance.random() < BOTH_ACCOUNTS:
        return channels[:2]
    return channels[1:2] if chance.random() < SECOND_ACCOUNT else channels[:1]


def _part(chance: random.Random, number: int, channel: str) -> Part:
    blocks = chance.random() < BLOCK
    return Part(
        number=number,
        channel=channel,
        talk=tuple(chance.choices(MESSAGE_KINDS, KIND_WEIGHTS, k=chance.randint(1, MOST_TALK))),
        blocks=blocks,
        comes_back=blocks and chance.random() < COME_BACK,
        bound_by_staff=chance.random() < BOUND_BY_STAFF,
    )


def in_two(parts: Sequence[Part]) -> tuple[list[Part], list[Part]]:
    """Divide the parts into those who come early and those who come while processes join and die."""
    middle = len(parts) // 2
    return list(parts[:middle]), list(parts[middle:])


def adding(parts: Sequence[Part], users: Sequence[str]) -> list[Action]:
    """Return the actions of people who add the account, or unblock it."""
    return [(part.channel, {"user": users[part.number], "do": "follow"}) for part in parts]


def blocking(parts: Sequence[Part], users: Sequence[str]) -> list[Action]:
    """Return the actions of those who block the account."""
    return [(part.channel, {"user": users[part.number], "do": "block"}) for part in parts if part.blocks]


def talking(parts: Sequence[Part], users: Sequence[str]) -> list[Action]:
    """Return what everybody says."""
    return [(part.channel, _message(users[part.number], kind, part.number)) for part in parts for kind in part.talk]


def _message(user: str, kind: str, number: int) -> dict[str, str]:
    action = {"user": user, "do": kind}
    return action | {"text": TEXTS[number % len(TEXTS)]} if kind == "text" else action


def mixed(seed: str, actions: Sequence[Action]) -> list[Action]:
    """Return the actions in an order that depends on the seed alone."""
    return random.Random(seed).sample(actions, len(actions))
