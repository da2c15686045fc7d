"""A session that refuses to run after a fork or after it was closed.

Knows: forks, closing, and the methods of a session that kerascnn uses. Does not know providers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from kerascnn.errors import ConfigError, ProviderError, one_line


class GuardedSession:
    """An open session; several threads may run it at once."""

    def __init__(self, session: Any, name: str, failures: tuple[type[Exception], ...]) -> None:
        self._session, self._name, self._failures = session, name, failures
        self._process = os.getpid()

    def run(
        self, names: Sequence[str] | None, feed: Mapping[str, npt.NDArray[Any]], options: Any = None
    ) -> list[npt.NDArray[Any]]:
        """Run the model.

        Raises:
            ConfigError: It was closed.
            ProviderError: The process was forked since it was opened, or the provider fails.
        """
        session = self.usable()
        try:
            outputs: list[npt.NDArray[Any]] = session.run(names, feed, options)
        except self._failures as error:
            reason = one_line(error)
            raise ProviderError(f"{self._name}: the provider failed ({reason}).") from error
        return outputs

    def usable(self) -> Any:
        """Return the wrapped session, unless it was closed, or the process was forked since.

        Raises:
            ConfigError: It was closed.
            ProviderError: The process was forked since it was opened.
        """
        session = self._open()
        if os.getpid() != self._process:
            # The compute threads were not copied with the process, so a run would hang.
            raise ProviderError(
                f"{self._name}: opened before this process was forked, and its threads do not "
                "exist here. Open a Classifier in each worker process, after the fork."
            )
        return session

    def get_inputs(self) -> Any:
        """Describe the inputs, as onnxruntime does."""
        return self._open().get_inputs()

    def get_outputs(self) -> Any:
        """Describe the outputs, as onnxruntime does."""
        return self._open().get_outputs()

    def close(self) -> None:
        """Free the model's memory, after running calls have finished."""
        self._session = None

    def _open(self) -> Any:
        session = self._session
        if session is None:
            raise ConfigError(f"{self._name}: closed. Open a new Classifier.")
        return session
