"""Korean particles, whose form depends on the sound at the end of the preceding word.

Knows: Hangul, and how digits are read. Does not know any sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_FORMS = {
    "이(가)": ("이", "가"),
    "은(는)": ("은", "는"),
    "을(를)": ("을", "를"),
    "(으)로": ("으로", "로"),
    "(이)라": ("이라", "라"),
    "와(과)": ("과", "와"),
    "과(와)": ("과", "와"),
}
"""Forms of each particle after a consonant and after a vowel."""

_PARTICLE = re.compile(
    r"\{(\w+)\}([’'\"”`]*)(" + "|".join(re.escape(both) for both in _FORMS) + ")"
)

_RIEUL = 8
"""Number in Unicode of the final consonant ㄹ, after which "로" is used, as after a vowel."""

_OF_DIGITS = dict(zip("0123456789", (21, 8, 0, 16, 0, 0, 1, 8, 8, 0), strict=True))
"""Final consonant of the reading of each digit: 영 일 이 삼 사 오 육 칠 팔 구."""


def with_particles(sentence: str, values: Mapping[str, object]) -> str:
    """Choose the form of the particles after values; both stay if a reading is unknown.

    Examples:
        >>> with_particles("{name}이(가) ‘{label}’(으)로", {"name": "사진", "label": "물"})
        '{name}이 ‘{label}’로'
        >>> with_particles("{name}이(가)", {"name": "photo.jpg"})
        '{name}이(가)'
    """
    return _PARTICLE.sub(lambda found: _chosen(found, str(values.get(found[1], ""))), sentence)


def _chosen(found: re.Match[str], value: str) -> str:
    final = _final(value.rstrip("’'\"”`")[-1:])
    if final is None:
        return found[0]
    closed = final and not (final == _RIEUL and found[3] == "(으)로")
    return f"{{{found[1]}}}{found[2]}{_FORMS[found[3]][0 if closed else 1]}"


def _final(letter: str) -> int | None:
    if "가" <= letter <= "힣":
        return (ord(letter) - ord("가")) % 28
    return 0 if letter == "%" else _OF_DIGITS.get(letter)
