"""Opens a session and checks that its outputs match those of the trained model.

Knows: the order of providers, the card's probe pictures, how a batch is fed and its outputs read.
Does not know how pictures are decoded and resized (:mod:`kerascnn.inference.reading`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerascnn.card import ModelCard, Probe
from kerascnn.errors import ModelFileError, ProviderError
from kerascnn.inference.model_file.signature import Signature
from kerascnn.inference.prediction import bounded
from kerascnn.inference.probes import check_probes, make_probes, probe_pictures
from kerascnn.inference.runtime.guarded_session import GuardedSession
from kerascnn.inference.runtime.providers import Arithmetic
from kerascnn.inference.runtime.selection import Choice, ProviderName
from kerascnn.inference.runtime.session import open_session
from kerascnn.parallel import usable_cpus

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]

_SMALL_BYTES = 4 << 20
"""Largest file, in bytes, that is tried with a single thread first: if a larger network proved
slow, opening its file a second time would take too long."""

_QUICK, _TRIES = 3e-4, 3
"""Time per picture, in seconds, below which a network runs in a single thread, and number of
attempts to measure it. A second thread would wait for the first at every operator, on the core
that decodes the next picture. The baseline CNN takes 0.08 ms, decoding a tiny picture 0.1 ms."""


def open_checked(
    path: str | Path,
    signature: Signature,
    choices: Sequence[Choice],
    arithmetic: Arithmetic,
    full_batch: int | None = None,
) -> tuple[GuardedSession, ProviderName]:
    """Open a file with the first provider that reproduces the card's probes; the last must.

    ``full_batch``: number of pictures in most runs, if known.

    Raises:
        ModelFileError: The graph does not match its card.
        ProviderError: The last provider cannot run here, or its outputs differ.
    """
    for choice in choices[:-1]:
        try:
            return _open(path, signature, choice, arithmetic, full_batch)
        except ProviderError as error:
            log.warning("%s: continues with %s. %s", path, choices[-1].provider, error)
    return _open(path, signature, choices[-1], arithmetic, full_batch)


def _open(
    path: str | Path,
    signature: Signature,
    choice: Choice,
    arithmetic: Arithmetic,
    full_batch: int | None,
) -> tuple[GuardedSession, ProviderName]:
    card, pictures = signature.card, probe_pictures(signature.card.shape)
    if not card.probes and choice.provider != "cpu":
        card = replace(card, probes=_probes_by_cpu(path, signature, pictures))
    may_be_quick = choice.threads is None and choice.provider == "cpu" and _is_small(path)
    session = open_session(
        path, choice.provider, 1 if may_be_quick else choice.threads, signature.pinned, arithmetic,
        choice.spinning, signature.weights, full_batch,
    )  # fmt: skip
    if signature.meaning == "both":
        _check_signature(path, session, card)
    if card.probes:
        answers = run_network(session, signature, pictures)[1]
        check_probes(card, pictures, answers, choice.provider, arithmetic)
        if full_batch is not None and choice.provider == "openvino":  # compiled separately for it
            batches = (np.stack([picture] * full_batch) for picture in pictures)
            answers = np.stack([run_network(session, signature, one)[1][0] for one in batches])
            check_probes(card, pictures, answers, choice.provider, arithmetic)
    if may_be_quick and not _is_quick(session, signature, pictures[:1]):
        session.close()
        choice = replace(choice, threads=usable_cpus())
        return _open(path, signature, choice, arithmetic, full_batch)
    return session, ProviderName(choice.provider, choice.why)


def _probes_by_cpu(
    path: str | Path, signature: Signature, pictures: npt.NDArray[np.uint8]
) -> tuple[Probe, ...]:
    """Make the probes that a foreign file lacks, with the CPU provider's outputs as reference."""
    with closing(open_session(path, pinned=signature.pinned, weights=signature.weights)) as session:
        return make_probes(pictures, run_network(session, signature, pictures)[1])


def _is_small(path: str | Path) -> bool:
    return usable_cpus() > 1 and Path(path).stat().st_size <= _SMALL_BYTES


def _is_quick(
    session: GuardedSession, signature: Signature, picture: npt.NDArray[np.uint8]
) -> bool:
    """Return whether one picture runs so quickly that a second thread would not help."""
    for _ in range(_TRIES):
        began = time.perf_counter()
        run_network(session, signature, picture)
        if time.perf_counter() - began < _QUICK:
            return True
    return False


def run_network(
    session: GuardedSession, signature: Signature, batch: npt.NDArray[np.uint8]
) -> tuple[Floats, Floats]:
    """Run the network on pictures that have its input size.

    Args:
        session: The open session.
        signature: Inputs and outputs of its graph.
        batch: uint8 ``[batch, height, width, 3]``, at least one picture.

    Returns:
        Logits and probabilities, each float32 ``[batch, classes]``.
    """
    answers = [
        signature.read(session.run(signature.outputs, signature.feed(part)), count)
        for part, count in signature.portions(batch)
    ]
    logits, probabilities = (
        answers[0] if len(answers) == 1 else map(np.concatenate, zip(*answers, strict=True))
    )
    return bounded(logits), probabilities


def _check_signature(path: str | Path, session: Any, card: ModelCard) -> None:
    """Check the inputs and outputs of an exported graph; a mismatch means it was edited."""
    inputs = {value.name: value.type for value in session.get_inputs()}
    outputs = {value.name: value.type for value in session.get_outputs()}
    if inputs != {"image": "tensor(uint8)"} or not {"logits", "probabilities"} <= outputs.keys():
        raise ModelFileError(
            f"{path}: takes {inputs} and gives {outputs}; expected image (uint8) to logits and "
            "probabilities. Export it again."
        )
    width = session.get_outputs()[0].shape[-1]
    if width != len(card.classes):
        raise ModelFileError(
            f"{path}: the graph has {width} classes, but its card {len(card.classes)}. Export it "
            "again."
        )
