"""Chooses the execution provider for a file.

Knows: the user's choice and saved measurements. Does not know sessions: whether the choice passes
the card's probes is checked by :mod:`kerascnn.inference.checked_session`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from kerascnn.inference.runtime.providers import PROVIDERS, Arithmetic, Provider, check_names
from kerascnn.inference.runtime.tuned_settings import load_settings
from kerascnn.language import sentence

RequestedProvider: TypeAlias = Provider | Literal["auto"]


class ProviderName(str):
    """A provider's name with the reason for its choice; equal to the plain name."""

    why: str

    def __new__(cls, name: str, why: str) -> ProviderName:
        """Create a name with its reason."""
        running = super().__new__(cls, name)
        running.why = why
        return running


@dataclass(frozen=True)
class Choice:
    """Provider and settings to run a file with.

    Attributes:
        threads: Threads per inference; None: one per available processor.
        spinning: Whether onnxruntime's threads spin while waiting.
        why: Reason for the choice, one clause.
    """

    provider: Provider
    threads: int | None
    spinning: bool
    why: str


def choose(
    path: str | Path, asked: RequestedProvider | Choice, arithmetic: Arithmetic, threads: int | None
) -> list[Choice]:
    """Choose the providers to try, best first.

    ``asked``: ``auto``; or a provider or a choice, which is then the only one. The user's
    ``threads`` take precedence over measured ones.

    Returns:
        One choice; for ``auto`` with saved settings also the CPU, in case the first fails.

    Raises:
        ConfigError: No such provider or arithmetic.
        ModelFileError: Settings that cannot be read.
    """
    if isinstance(asked, Choice):
        return [asked]
    check_names(asked, arithmetic, ("auto", *PROVIDERS))
    if asked != "auto":
        return [Choice(asked, threads, True, sentence("asked for"))]
    best, reason = load_settings(path)
    if arithmetic not in best:
        unmeasured = "nothing was measured with arithmetic {arithmetic}"
        reason = reason or sentence(unmeasured, arithmetic=arithmetic)
        why = sentence("{reason}; kerascnn bench MODEL --save finds the fastest", reason=reason)
        return [Choice("cpu", threads, True, why)]
    setting = best[arithmetic]
    why = sentence("fastest here: {speed} images/s", speed=f"{setting.images_per_second:,.0f}")
    chosen = Choice(setting.provider, threads or setting.threads, setting.spinning, why)
    failed = sentence("{provider} failed", provider=chosen.provider)
    return [chosen, Choice("cpu", threads, True, failed)]
