"""One process at a time writes to a run folder.

Knows: which folder a new run gets, and its lock. Does not know what is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from kerascnn.errors import ConfigError
from kerascnn.file_lock import locked
from kerascnn.files import cannot_write
from kerascnn.leftovers import remove_leftovers
from kerascnn.training.config import TrainConfig
from kerascnn.training.run.folder import Run

_LOCK = ".lock"
"""Is there while a run is being written."""


@contextmanager
def locked_run(config: TrainConfig, resume: bool, overwrite: bool = False) -> Iterator[Run]:
    """Lock a run folder, so that no other process writes to it.

    Args:
        config: With ``out``, or None for ``runs/DATA-MODEL`` with a number if need be.
        resume: Whether the folder may hold a run already.
        overwrite: Likewise; the old run stays until the new one begins.

    Yields:
        The run. A folder that was made here and is still empty at the end is removed.

    Raises:
        BusyError: Another process is writing to ``out``.
        ConfigError: ``out`` holds a run already, and neither ``resume`` nor ``overwrite`` is True.
        KerascnnError: The folder cannot be written.
    """
    folder, made = _make_folder(config)
    try:
        with locked(folder / _LOCK):
            run = Run(folder)
            if run.config_path.exists() and not (resume or overwrite):
                raise ConfigError(
                    f"{folder}: already holds a run. Continue it (`resume`), replace it "
                    "(`overwrite`), or choose another folder with `out`."
                )
            remove_leftovers(folder)
            remove_leftovers(run.checkpoint_folder)
            yield run
    finally:
        for path in made:
            with suppress(OSError):  # not empty: something was worth keeping
                path.rmdir()


def _make_folder(config: TrainConfig) -> tuple[Path, list[Path]]:
    """Make the folder; also list what did not exist, innermost first."""
    for folder in _candidates(config):
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            # A name of our own choice is ours only if we made it: another run may be as quick.
            folder.mkdir(parents=True, exist_ok=config.out is not None)
        except OSError as error:
            if isinstance(error, FileExistsError) and config.out is None:
                continue
            raise cannot_write(folder, error) from error
        return folder, made
    raise AssertionError("there is always one more candidate")


def _candidates(config: TrainConfig) -> Iterator[Path]:
    if config.out:
        yield Path(config.out)
        return
    name = re.sub(r"\.(csv|npz)$", "", Path(config.data).name, flags=re.IGNORECASE)
    stem = re.sub(r"[^\w.-]+", "-", name) or "data"
    base = Path("runs", f"{stem}-{config.model}")
    yield base
    for number in count(2):
        yield base.with_name(f"{base.name}-{number}")
