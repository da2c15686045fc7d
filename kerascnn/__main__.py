"""``python -m kerascnn``: the same as the ``kerascnn`` command."""

from kerascnn.cli import main

main()
