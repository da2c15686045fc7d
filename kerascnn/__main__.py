"""The process of the command line: ``kerascnn`` and ``python -m kerascnn``.

Knows: how the process ends. Does not know any command.
"""

from __future__ import annotations

import atexit
import os
import sys

FRAMEWORKS = ("tensorflow", "jax")
"""To take these apart at exit takes the interpreter 2 seconds in which nothing more happens."""


def run() -> None:
    """Run the command line, and end with its last line.

    Without a framework in it the process ends as any other. With one, what has been registered to
    run at exit runs, output is flushed, and the interpreter is not taken apart.
    """
    _open_what_is_closed()
    try:
        # Imported here: Ctrl-C in the meantime is told in one line, too.
        import logging

        from kerascnn.cli import main
        from kerascnn.cli.streams import abandon_output, is_full
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped.\n")
        os._exit(130)  # as kerascnn.cli.shown_errors.INTERRUPTED
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
    if not _flushed():
        code = code or 1
    os._exit(code)


def _open_what_is_closed() -> None:
    """Let go where nobody reads what would else be written into the first file that is opened."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 - open to the end


def _flushed() -> bool:
    """Flush standard output; return whether it could be written."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            return False
    return True


if __name__ == "__main__":
    run()
