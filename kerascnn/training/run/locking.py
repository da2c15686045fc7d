"""The lock of a run folder, to which one process at a time writes.

Knows: which folder a new run gets, and its lock. Does not know: what is written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from kerascnn.dataset.split import title_of
from kerascnn.errors import ConfigError
from kerascnn.file_lock import locked
from kerascnn.files import cannot_write
from kerascnn.leftovers import remove_leftovers
from kerascnn.training.config import TrainConfig
from kerascnn.training.run.folder import Run
from kerascnn.uris import is_uri

_LOCK = ".lock"
"""Lock file, which exists while a run is being written."""


def check_out(out: str, data: str) -> None:
    """Refuse places that are not meant, and the class folders, which those of a run would join.

    Raises:
        ConfigError: ``out`` is a URL, begins with ``~``, is a file, or is the data.
    """
    # os.path does not raise for names that are too long.
    there = os.path.exists(out)  # noqa: PTH110
    if is_uri(out):
        raise ConfigError(
            f"`out` is {out}, a URL. Expected a local folder: upload the run when it is done."
        )
    if out.startswith("~") and not there:
        raise ConfigError(
            f"`out` is {out}, and ~ is not expanded inside quotes or in a file. "
            f"Expected a path, such as {os.path.expanduser(out)}."  # noqa: PTH111
        )
    if there and not os.path.isdir(out):  # noqa: PTH112
        raise ConfigError(f"`out` is {out}, a file. Expected a folder: choose another name.")
    if there and os.path.exists(data) and os.path.samefile(out, data):  # noqa: PTH110, PTH121
        raise ConfigError(
            f"`out` is {out}, the folder of the pictures. Expected a folder of its own, such as "
            "runs/first."
        )


@contextmanager
def locked_run(config: TrainConfig, resume: bool, overwrite: bool = False) -> Iterator[Run]:
    """Lock a run folder, so that no other process writes to it.

    Args:
        config: Configuration with ``out``, or None for ``runs/DATA-MODEL``, numbered if it exists.
        overwrite: Whether an old run may be replaced; it stays until the new one begins.

    Yields:
        The run. A folder that was created here and is empty at the end is removed.

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
            with suppress(OSError):  # not empty: there is something to keep
                path.rmdir()


def _make_folder(config: TrainConfig) -> tuple[Path, list[Path]]:
    """Create the folder; also return what did not exist, innermost first."""
    for folder in _candidates(config):
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            # A name chosen here is ours only if we created the folder: another run may choose the
            # same.
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
    name = re.sub(r"\.(csv|npz)$", "", title_of(config.data), flags=re.IGNORECASE)
    stem = re.sub(r"[^\w.-]+", "-", name) or "data"
    base = Path("runs", f"{stem}-{config.model}")
    yield base
    for number in count(2):
        yield base.with_name(f"{base.name}-{number}")
