"""Entry point of the command line: ``kerascnn`` and ``python -m kerascnn``.

Knows: how the process exits. Does not know any command.
"""

from __future__ import annotations

import atexit
import os
import sys

FRAMEWORKS = ("tensorflow", "jax")
"""Modules whose finalization at exit takes the interpreter 2 seconds, for nothing."""


def run() -> None:
    """Run the command line, and exit immediately after it.

    If no framework was imported, the process exits normally. Otherwise it runs the registered exit
    functions and flushes output, but skips the interpreter's finalization.
    """
    _open_what_is_closed()
    try:
        # Imported here, so that Ctrl-C during the import also gives one line.
        import logging

        from kerascnn.cli import main
        from kerascnn.cli.streams import abandon_output, is_full
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped.\n")
        os._exit(130)  # equals kerascnn.cli.shown_errors.INTERRUPTED
    code = 0
    try:
        main()
    except OSError as error:
        if "--debug" in sys.argv or not is_full(error):
            raise
        abandon_output(error)
        code = 1
    except SystemExit as ended:
        if not any(name in sys.modules for name in FRAMEWORKS):
            raise
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    atexit._run_exitfuncs()
    logging.shutdown()
    os._exit(code if _flushed() else code or 1)


def _open_what_is_closed() -> None:
    """Open closed standard streams on the null device, else the next opened file replaces them."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 - open until exit


def _flushed() -> bool:
    """Flush standard output and error; return whether they could be written."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            return False
    return True


if __name__ == "__main__":
    run()
