"""lz-string's `compressToBase64`, read back: what posthog-js sent before it learned gzip.

LZ78 over UTF-16 units. Every entry of the dictionary is a stretch of what was already put out (the last match and the
unit after it), so an entry is two numbers, and memory is bounded by the output however the input is made.
"""

import base64
import binascii
import sys
from array import array

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_UNIT8, _UNIT16, _END = 0, 1, 2
_UTF16 = f"utf-16-{sys.byteorder[0]}e"


class BrokenText(ValueError):
    """Not what lz-string writes."""


class TooLong(ValueError):
    """The text is longer than allowed."""


def decompress_from_base64(raw: bytes | bytearray, max_units: int) -> str:
    """The text. Raises BrokenText, and TooLong once it has more than `max_units` UTF-16 units."""
    try:
        digits = bytes(raw).rstrip(b"=")  # lz-string pads to four in its own way: `===` is possible
        packed = base64.b64decode(digits + b"A" * (-len(digits) % 4), validate=True)
    except binascii.Error as exc:
        raise BrokenText("not base64") from exc
    try:
        return _units(_Bits(packed), max_units).tobytes().decode(_UTF16)
    except UnicodeDecodeError as exc:
        raise BrokenText("half of a surrogate pair") from exc


class _Bits:
    """Numbers out of bytes: bytes give their highest bit first, numbers take their lowest first."""

    def __init__(self, packed: bytes):
        # with every byte turned round both run the same way, and a number is a slice
        self._bytes = packed.translate(_REVERSED)
        self._at = 0

    def take(self, bits: int) -> int:
        """The next number of so many bits."""
        start = self._at
        self._at = end = start + bits
        if end > 8 * len(self._bytes):
            raise BrokenText("cut short")
        window = int.from_bytes(self._bytes[start >> 3 : (end + 7) >> 3], "little")
        return window >> (start & 7) & (1 << bits) - 1

    def unit(self, kind: int) -> int:
        """A UTF-16 unit that was not seen before."""
        return self.take(8 if kind == _UNIT8 else 16)


def _units(bits: _Bits, max_units: int) -> "array[int]":
    out: array[int] = array("H")
    kind = bits.take(2)
    if kind == _END:
        return out
    if kind > _END:
        raise BrokenText("unknown code")
    out.append(bits.unit(kind))
    starts, lengths = [0, 0, 0, 0], [0, 0, 0, 1]  # the first three codes are commands
    width, left = 3, 4  # of codes: their bits, and how many more entries until one more bit
    last = 1  # length of the last match, which ends the output
    while (code := bits.take(width)) != _END:
        if code < _END:
            starts.append(len(out))
            lengths.append(1)
            out.append(bits.unit(code))
            length, left = 1, left - 1
        elif code < len(starts):
            start, length = starts[code], lengths[code]
            out.extend(out[start : start + length])
        elif code == len(starts):
            length = last + 1
            out.extend(out[-last:])
            out.append(out[-last])
        else:
            raise BrokenText("unknown code")
        if left == 0:
            left, width = 1 << width, width + 1
        if len(out) > max_units:
            raise TooLong
        starts.append(len(out) - length - last)
        lengths.append(last + 1)
        last, left = length, left - 1
        if left == 0:
            left, width = 1 << width, width + 1
    return out
