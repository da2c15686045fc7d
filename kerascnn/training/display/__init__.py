"""How a training run is shown to a person: on a terminal, in a log or in a notebook.

Knows: which of them there is. Does not know the command line, nor how the numbers come about.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from kerascnn.training.callbacks import Callback


@contextmanager
def shown(progress: Callback | None) -> Iterator[Callback]:
    """Choose how a run is shown: as the caller wants, or on standard error or in the notebook."""
    if progress is not None:
        yield progress
        return
    # Here, because the command line has a display of its own choice.
    from kerascnn.console import SafeConsole
    from kerascnn.training.display.notebook import NotebookDisplay
    from kerascnn.training.display.terminal import TrainingDisplay

    console = SafeConsole(sys.stderr, stderr=True)
    with NotebookDisplay(console) if console.is_jupyter else TrainingDisplay(console) as display:
        yield display
