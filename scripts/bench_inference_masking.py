"""An older processor: for scripts/bench_inference --without-avx512.

Knows: how onnxruntime and OpenVINO are made to believe that AVX-512, VNNI and AMX are missing. Does
not know engines.

Neither has a switch for it. Both ask the processor with the instruction CPUID, so copies of their
libraries get another, illegal one in its place, and hide_avx512.c answers the signal that
it raises. All else runs at full speed, which an emulator would not. Needs Linux on x86-64, gcc and
objdump.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("onnxruntime", "openvino")
CPUID, ILLEGAL = b"\x0f\xa2", b"\x0f\x0b"
SHOWN = "import openvino; print(openvino.Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES'))"
SECTION = re.compile(
    r"\s*\d+\s+\S+\s+([0-9a-f]+)\s+([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+).*\bCODE\b"
)


def masked_environment(folder: Path) -> dict[str, str]:
    """Copy and change the libraries; give the variables with which a Python takes the copies."""
    for package in PACKAGES:
        found = find_spec(package)
        if found is None or not found.submodule_search_locations:
            sys.exit(
                f"--without-avx512 compares {' and '.join(PACKAGES)}, and {package} is missing"
            )
        shutil.copytree(found.submodule_search_locations[0], folder / package)
    changed = sum(mask(file) for file in sorted(folder.rglob("*.so*")) if is_concerned(file))
    answers = folder / "cpuid.so"
    source = Path(__file__).with_name("hide_avx512.c")
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", answers, source], check=True)
    environment = {
        "PYTHONPATH": str(folder),
        "LD_PRELOAD": str(answers),
        # The C library chose its memcpy before anything could be changed.
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW",
    }
    told = subprocess.run(
        [sys.executable, "-c", SHOWN],
        check=True,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()
    print(f"{changed} CPUID instructions changed; OpenVINO now finds {told}", file=sys.stderr)
    if "BF16" in told:
        sys.exit("OpenVINO still finds bfloat16: the processor could not be hidden from it")
    return environment


def is_concerned(file: Path) -> bool:
    """Tell whether a library is used on a processor; GPU's and NPU's plugins are large."""
    return not re.search("gpu|npu|frontend", file.name) and not file.is_symlink()


def mask(file: Path) -> int:
    """Put the illegal instruction in place of each CPUID; give how many there were."""
    code = bytearray(file.read_bytes())
    places = [offset(address, sections(file)) for address in addresses(file)]
    for place in places:
        if code[place : place + 2] != CPUID:
            sys.exit(f"{file.name}: no CPUID at {place:#x}, where objdump shows one")
        code[place : place + 2] = ILLEGAL
    file.write_bytes(code)
    return len(places)


def sections(file: Path) -> list[tuple[int, int, int]]:
    """List address, size and place in the file of each section of code."""
    rows = map(SECTION.match, listed(file, "-h", "-w"))
    return [(int(row[2], 16), int(row[1], 16), int(row[3], 16)) for row in rows if row]


def addresses(file: Path) -> list[int]:
    """List where CPUID stands; only a disassembler can tell it from the same two bytes of data."""
    lines = listed(file, "-d", "--no-show-raw-insn")
    return [int(line.split(":")[0], 16) for line in lines if "\tcpuid" in line]


def offset(address: int, known: list[tuple[int, int, int]]) -> int:
    """Give the place in the file of an address."""
    return next(address - at + place for at, size, place in known if at <= address < at + size)


def listed(file: Path, *options: str) -> list[str]:
    """Ask objdump."""
    command = ["objdump", *options, str(file)]
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.splitlines()
