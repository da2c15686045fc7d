"""Fonts of matplotlib's figures, so that no character is drawn as an empty box.

Knows: which fonts have Hangul, and matplotlib, which is imported when a figure is drawn. Does not
know what is drawn.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from kerascnn.language import current_language, use_language

_HANGUL = (
    "Noto Sans CJK KR", "Noto Sans KR", "Pretendard", "NanumGothic", "NanumBarunGothic",
    "Malgun Gothic", "Apple SD Gothic Neo", "AppleGothic", "Noto Sans CJK JP", "Noto Serif CJK JP",
    "UnDotum", "Arial Unicode MS",
)  # fmt: skip
"""Fonts with Korean characters. In Noto's font collection, matplotlib sees only the first font,
Japanese, which has them too."""

log = logging.getLogger(__name__)


def font_families() -> list[str]:
    """Return matplotlib's own font, then the installed ones with Hangul, which it falls back to."""
    import matplotlib
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return [
        *matplotlib.rcParams["font.family"],
        *(name for name in _HANGUL if name in installed),
    ]


@contextmanager
def lettering() -> Iterator[None]:
    """Select an installed font with the characters of the user's language, for drawn text.

    Without such a font the figure is drawn in English, with a warning.
    """
    import matplotlib

    if current_language() != "ko":
        yield
        return
    families = font_families()
    if not set(families) & set(_HANGUL):
        log.warning("no Korean font was found, so the figure is in English. Noto Sans KR has one.")
        with use_language("en"):
            yield
        return
    with matplotlib.rc_context({"font.family": families}):
        yield
