"""The people of the stand-in: made by seed, one identity for all accounts, as under one LINE provider."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

_FAMILY = ("陳", "林", "黃", "張", "李", "王", "吳", "劉", "蔡", "楊", "許", "鄭", "謝", "郭", "洪", "曾", "廖", "賴")
_GIVEN = (
    "怡君",
    "志明",
    "淑芬",
    "家豪",
    "雅婷",
    "俊傑",
    "美玲",
    "建宏",
    "佩珊",
    "冠宇",
    "欣怡",
    "承翰",
    "心妤",
    "柏翰",
)
_LANGUAGES = ("zh-TW", "zh-TW", "zh-TW", "zh-TW", "ja", "en", "th")
_GENDERS = ("female", "male", "female", "male", "unknown")
_AGES = ("from15to19", "from20to24", "from25to29", "from30to34", "from35to39", "from40to44", "from45to49", "from50to54")
_AREAS = ("台北市", "新北市", "桃園市", "台中市", "台南市", "高雄市")
_APPS = ("ios", "android", "ios", "android", "others")


class Person:
    """One LINE user. Attributes that LINE only guesses (age, area …) are fixed by the id."""

    __slots__ = ("language", "name", "picture_url", "status_message", "user_id")

    def __init__(self, user_id: str, name: str, language: str | None) -> None:
        self.user_id = user_id
        self.name = name
        self.language = language
        self.picture_url: str | None = None
        self.status_message: str | None = None

    def profile(self) -> dict[str, str]:
        """Return the profile as `GET /v2/bot/profile/{userId}` shows it; absent values are absent."""
        values = {
            "userId": self.user_id,
            "displayName": self.name,
            "pictureUrl": self.picture_url,
            "statusMessage": self.status_message,
            "language": self.language,
        }
        return {key: value for key, value in values.items() if value}

    def guess(self) -> dict[str, str]:
        """Return what LINE would estimate about the user for its demographic figures."""
        digits = bytes.fromhex(self.user_id[1:])
        return {
            "gender": _GENDERS[digits[1] % len(_GENDERS)],
            "age": _AGES[digits[2] % len(_AGES)],
            "area": _AREAS[digits[3] % len(_AREAS)],
            "areaCode": f"tw_{digits[3] % len(_AREAS) + 1:02}",
            "appType": _APPS[digits[4] % len(_APPS)],
        }


def seeded_user_id(seed: str, number: int) -> str:
    """Return the id of the seed's nth person: always the same for the same seed and number."""
    return "U" + hashlib.sha256(f"{seed}/{number}".encode()).hexdigest()[:32]


def _seeded_person(seed: str, number: int) -> Person:
    user_id = seeded_user_id(seed, number)
    digits = bytes.fromhex(user_id[1:])
    language = _LANGUAGES[digits[7] % len(_LANGUAGES)]
    name = _FAMILY[digits[5] % len(_FAMILY)] + _GIVEN[digits[6] % len(_GIVEN)]
    return Person(user_id, name, language)


class Population:
    """Everybody who has a LINE account in this stand-in."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self._by_id: dict[str, Person] = {}
        self._next: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._by_id.values())

    def get(self, user_id: str) -> Person | None:
        """Return the person, or None where no such user exists."""
        return self._by_id.get(user_id)

    def grow(self, count: int, seed: str | None = None, start: int | None = None) -> list[Person]:
        """Return `count` people of a seed from number `start` on (default: after those already made).

        Asking again for the same seed and numbers returns the same people.
        """
        chosen = seed or self.seed
        first = self._next.get(chosen, 0) if start is None else start
        people = [self._ensure(chosen, number) for number in range(first, first + count)]
        self._next[chosen] = max(self._next.get(chosen, 0), first + count)
        return people

    def add(self, name: str, user_id: str | None = None, language: str | None = "zh-TW") -> Person:
        """Add one person with a name; the id is made from the seed where none is given."""
        if user_id is None:
            person = self.grow(1)[0]
            person.name, person.language = name, language
            return person
        person = Person(user_id, name, language)
        self._by_id[user_id] = person
        return person

    def clear(self) -> None:
        """Forget everybody."""
        self._by_id.clear()
        self._next.clear()

    def _ensure(self, seed: str, number: int) -> Person:
        known = self._by_id.get(seeded_user_id(seed, number))
        if known is not None:
            return known
        person = _seeded_person(seed, number)
        self._by_id[person.user_id] = person
        return person
