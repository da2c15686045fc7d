"""Replacing the file under load: for scripts/bench_serving reload.

Knows: which answers are right, those of either file. Does not know speed.
"""

from __future__ import annotations

import argparse
import collections
import json
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench_serving_load import Seen, load, request_of, tell
from bench_serving_process import ours

from kerascnn import Classifier

Answer = list[tuple[str, float]]
"""Labels with their probabilities, the best first."""


def reload(options: argparse.Namespace) -> None:
    """Replace the file every two seconds; every answer must be of one of the two."""
    content = Path(options.pictures[0]).read_bytes()
    right = [
        answer_of(Classifier(model, options.provider), content)
        for model in (options.model, options.other)
    ]
    with tempfile.TemporaryDirectory() as folder:
        served = Path(folder, "model.onnx")
        shutil.copyfile(options.model, served)
        rules = ("--provider", options.provider, "--reload-seconds", 0.2)
        with ours(served, *rules) as (port, _):
            seen, switches = reloading(options, served, port, content)
    answers = collections.Counter(which(one.body, right) for one in seen if one.status == 200)
    failed = collections.Counter(str(one.status) for one in seen if one.status != 200)
    tell(
        seconds=options.seconds, replaced=switches, requests=len(seen), failed=dict(failed),
        answers=dict(answers),
    )  # fmt: skip


def reloading(
    options: argparse.Namespace, served: Path, port: int, content: bytes
) -> tuple[list[Seen], int]:
    """Ask and replace; give what the clients saw, and how often the file was replaced."""
    end, switches = time.perf_counter() + options.seconds, 0
    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(
            load, port, [request_of("/predict", content)], options.clients, options.seconds, True
        )
        while time.perf_counter() < end - 2:
            time.sleep(2)
            source = options.other if switches % 2 == 0 else options.model
            shutil.copyfile(source, served.with_suffix(".new"))
            served.with_suffix(".new").replace(served)
            switches += 1
        return asking.result()[0], switches


def answer_of(classifier: Classifier, content: bytes) -> Answer:
    """Let a classifier answer without a server."""
    return [(ranked.label, ranked.probability) for ranked in classifier.predict([content])[0].top]


def which(body: bytes, right: list[Answer]) -> str:
    """Tell whose answer a body is: `first`, `second` or `wrong`."""
    found = [(ranked["label"], ranked["probability"]) for ranked in json.loads(body)["top"]]
    for name, expected in zip(("first", "second"), right, strict=True):
        same = [label for label, _ in found] == [label for label, _ in expected]
        if same and all(abs(a - b) < 1e-5 for (_, a), (_, b) in zip(found, expected, strict=True)):
            return name
    return "wrong"
