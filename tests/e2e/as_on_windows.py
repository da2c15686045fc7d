"""Runs a command on Linux with what kerascnn would find on Windows: ``as_on_windows.py train …``.

Its modules see none of POSIX's modules, functions and signals, and no file that is open or mapped
is renamed or removed. The interpreter and the libraries see Linux.
"""

import builtins
import errno
import importlib
import multiprocessing.connection
import os
import shutil
import signal
import sys
import types
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from multiprocessing import reduction
from pathlib import Path
from typing import Any

MODULES = {"fcntl", "grp", "posix", "pwd", "resource", "termios", "tty", "uvloop"}
SIGNALS = {"SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM", "SIG_DFL", "SIG_IGN"}
FUNCTIONS = {
    "os": {
        *("O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "fork", "geteuid", "getuid", "killpg", "nice"),
        *("mkfifo", "posix_fallocate", "pread", "sched_getaffinity", "setsid", "statvfs", "uname"),
        *("sysconf", "sysconf_names"),
    },
    "mmap": {"MADV_WILLNEED", "MAP_PRIVATE", "MAP_SHARED", "PROT_READ"},
    "select": {"epoll", "poll"},
    "signal": {
        *(name for name in dir(signal) if name.startswith("SIG") and name not in SIGNALS),
        *("ITIMER_PROF", "alarm", "pthread_kill", "pthread_sigmask", "setitimer"),
    },
    "socket": {"AF_UNIX", "SO_REUSEPORT"},
}
VALUES = {
    "os": {"name": "nt"}, "sys": {"platform": "win32"}, "platform": {"system": lambda: "Windows"}
}  # fmt: skip


class Seen(types.ModuleType):
    """A module as Windows has it."""

    def __getattr__(self, name: str) -> Any:
        if name in FUNCTIONS.get(self.__name__, ()):
            raise AttributeError(f"Windows has no {self.__name__}.{name}")
        real = sys.modules[self.__name__]
        return VALUES.get(self.__name__, {}).get(name) or getattr(real, name)


def import_module(name: str, space: Any = None, local: Any = None, of: Any = (), level: int = 0):
    if level == 0 and name in MODULES:
        raise ModuleNotFoundError(f"Windows has no {name}", name=name)
    if level == 0 and name == "msvcrt":
        return types.SimpleNamespace(LK_NBLCK=2, locking=lock)
    found = __import__(name, space, local, of, level)
    return Seen(name) if name in {*FUNCTIONS, *VALUES} else found


def lock(descriptor: int, *_: int) -> None:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise PermissionError(errno.EACCES, "Permission denied") from error


class Loader(SourceFileLoader):
    def exec_module(self, module: types.ModuleType) -> None:
        module.__builtins__ = {**vars(builtins), "__import__": import_module}
        super().exec_module(module)


class Finder:
    @staticmethod
    def find_spec(name: str, path: Any = None, _: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name.partition(".")[0] == "kerascnn" else None
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


def refuse_what_is_open(name: str) -> None:
    """Let a function of ``os`` fail for a file that this process has open, or its folder."""
    real = getattr(os, name)

    def changed(path: Any, *others: Any, **options: Any) -> Any:
        for one in (path, *others):
            place = os.path.realpath(os.fsdecode(one))
            for open_one in opened():
                if open_one == place or open_one.startswith(f"{place}/"):
                    raise PermissionError(errno.EACCES, f"in use: {open_one}", str(path))
        return real(path, *others, **options)

    setattr(os, name, changed)


def opened() -> list[str]:
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    places = [line.split(None, 5)[5] for line in lines if line.count("/")]
    for number in os.listdir("/proc/self/fd"):
        try:
            place = Path(f"/proc/self/fd/{number}").readlink()
        except FileNotFoundError:  # the folder that was listed
            continue
        places += [str(place)] if place.is_file() else []
    return places


def pretend() -> None:
    sys.meta_path.insert(0, Finder)
    for name in ("remove", "rename", "replace", "rmdir", "unlink"):
        refuse_what_is_open(name)
    shutil._use_fd_functions = False  # removes by descriptors, which Windows does not have
    connection = multiprocessing.connection.Connection
    pipe = type("PipeConnection", connection.__mro__[1:2], {**vars(connection)})
    reduction.register(pipe, multiprocessing.connection.reduce_connection)
    real = multiprocessing.connection.Pipe

    def pipes(duplex: bool = True) -> tuple[Any, ...]:
        ends = real(duplex)
        return tuple(pipe(os.dup(one.fileno()), one.readable, one.writable) for one in ends)

    multiprocessing.connection.Pipe = pipes


if __name__ in ("__main__", "__mp_main__"):
    pretend()
    if __name__ == "__main__":
        importlib.import_module("kerascnn.__main__").run()
