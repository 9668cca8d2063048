"""Small pictures without an imaging library: PNG by zlib, letters from a five-by-seven dot font."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

_FONT = {
    letter: bytes.fromhex(columns)
    for letter, columns in {
        "A": "7E1111117E", "B": "7F49494936", "C": "3E41414122", "D": "7F4141221C", "E": "7F49494941",
        "F": "7F09090901", "G": "3E4149497A", "H": "7F0808087F", "I": "00417F4100", "J": "2040413F01",
        "K": "7F08142241", "L": "7F40404040", "M": "7F020C027F", "N": "7F0408107F", "O": "3E4141413E",
        "P": "7F09090906", "Q": "3E4151215E", "R": "7F09192946", "S": "4649494931", "T": "01017F0101",
        "U": "3F4040403F", "V": "1F2040201F", "W": "3F4038403F", "X": "6314081463", "Y": "0708700807",
        "Z": "6151494543", " ": "0000000000",
    }.items()
}  # fmt: skip

Color = tuple[int, int, int]


class Canvas:
    """A picture of up to 256 colours, one byte a pixel."""

    def __init__(self, width: int, height: int, palette: Sequence[Color]) -> None:
        self.width = width
        self.height = height
        self._palette = palette
        self._rows = [bytearray(width) for _ in range(height)]

    def box(self, x: int, y: int, width: int, height: int, color: int) -> None:
        """Fill a rectangle; what lies outside the picture is cut off."""
        left, right = max(0, x), min(self.width, x + width)
        if right <= left:
            return
        fill = bytes([color]) * (right - left)
        for row in self._rows[max(0, y) : min(self.height, y + height)]:
            row[left:right] = fill

    def disc(self, x: int, y: int, radius: int, color: int) -> None:
        """Fill a circle around a centre."""
        for dy in range(-radius, radius + 1):
            half = int((radius * radius - dy * dy) ** 0.5)
            self.box(x - half, y + dy, 2 * half + 1, 1, color)

    def text(self, x: int, y: int, text: str, size: int, color: int) -> None:
        """Write capital letters centred on x, their top at y, `size` pixels a dot."""
        left = x - (len(text) * 6 - 1) * size // 2
        for index, letter in enumerate(text.upper()):
            for column, bits in enumerate(_FONT.get(letter, _FONT[" "])):
                for row in range(7):
                    if bits >> row & 1:
                        self.box(left + (index * 6 + column) * size, y + row * size, size, size, color)

    def png(self) -> bytes:
        """Return the picture as a PNG file (8-bit palette)."""
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 3, 0, 0, 0)
        pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in self._rows), 9)
        palette = b"".join(bytes(color) for color in self._palette)
        parts = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", pixels), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in parts
        )


def sample_photo() -> bytes:
    """Draw the photo that a user without a camera sends: a house under a sun."""
    canvas = Canvas(480, 360, ((186, 220, 240), (250, 204, 90), (118, 160, 110), (224, 214, 200), (150, 84, 70)))
    canvas.disc(390, 80, 42, 1)
    canvas.box(0, 260, 480, 100, 2)
    canvas.box(130, 150, 190, 140, 3)
    for step in range(70):
        canvas.box(225 - step * 2, 80 + step, step * 4, 1, 4)
    canvas.box(200, 210, 50, 80, 4)
    return canvas.png()
