"""The display of a training run: on a terminal, in a log or in a notebook.

Knows: which of them to use. Does not know: the command line, where the numbers come from.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from kerascnn.training.callbacks import Callback


@contextmanager
def shown(progress: Callback | None) -> Iterator[Callback]:
    """Yield the caller's callback, or a display on standard error or in the notebook."""
    if progress is not None:
        yield progress
        return
    # Imported here, because the command line chooses its own display.
    from kerascnn.console import SafeConsole
    from kerascnn.training.display.notebook import NotebookDisplay
    from kerascnn.training.display.terminal import TrainingDisplay

    console = SafeConsole(sys.stderr, stderr=True)
    with NotebookDisplay(console) if console.is_jupyter else TrainingDisplay(console) as display:
        try:
            yield display
        except KeyboardInterrupt:
            display.say(display.stopped("fit(…, resume=True)"))
            raise
