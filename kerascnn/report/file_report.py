"""Writes the report of an exported file, without Keras.

Knows: how predictions on a data set become the content of a report. Does not know how the page
looks (:mod:`kerascnn.report.page`).
"""

from __future__ import annotations

import time
from pathlib import Path

from kerascnn import __version__, files, images
from kerascnn.dataset import Dataset, Split, load_dataset
from kerascnn.inference.classifier import Classifier
from kerascnn.inference.evaluation import predict_file
from kerascnn.inference.occlusion import Heat, heat_of
from kerascnn.language import tr
from kerascnn.machine import machine
from kerascnn.metrics.classification import evaluate_predictions
from kerascnn.metrics.outputs import Predictions
from kerascnn.printable import command_line
from kerascnn.report.card_facts import calibration_facts, learning_of, model_facts
from kerascnn.report.content import Content, gallery
from kerascnn.report.page import check_libraries, render_page


def report_file(
    classifier: Classifier,
    data: str | Path,
    path: str | Path,
    split: str | None = None,
    model: str = "MODEL.onnx",
) -> Path:
    """Evaluate an exported file, and write the report.

    Args:
        data: What :func:`kerascnn.dataset.load_dataset` takes.
        split: ``train``, ``val``, ``test``, ``all``; None: test, else val, else all.
        model: Name of the file in the command that repeats the report.

    Raises:
        DataError: No usable data, or classes that the model does not have.
        KerascnnError: The page cannot be written.
        ModuleNotFoundError: The libraries for rendering are not installed.
    """
    check_libraries()  # before the long work
    dataset = load_dataset(data, known=classifier.classes)
    name, chosen = dataset.choose(split)
    answers = predict_file(classifier, dataset, name)
    content = _content(classifier, dataset, chosen, answers, (model, str(data), name))
    files.write_bytes(path, render_page(content).encode("utf-8", "replace"))
    return Path(path)


def _content(
    classifier: Classifier,
    dataset: Dataset,
    chosen: Split,
    answers: Predictions,
    words: tuple[str, str, str],
) -> Content:
    card, evaluation = classifier.card, evaluate_predictions(answers)
    places = {chosen.pictures.name(index): index for index in range(len(chosen))}

    def picture(index: int) -> images.UInt8Array:
        original = chosen.pictures[places[answers.names[index]]]
        return images.size_picture(original, card.shape, card.resize_rule)

    def heats(pictures: list[images.UInt8Array], labels: list[str]) -> list[Heat | None]:
        numbers = [classifier.classes.index(label) for label in labels]
        return [heat_of(classifier, *pair) for pair in zip(pictures, numbers, strict=True)]

    return Content(
        name=card.name,
        made=time.strftime("%Y-%m-%d %H:%M %Z").strip(),
        evaluation=evaluation,
        mistakes=gallery(evaluation.mistakes, picture, heats),
        method="occlusion",
        balance=dataset.balance(classifier.classes),
        facts=_facts(classifier, answers, dataset),
        commands=tuple(_commands(words)),
        # Of a refit, the card has the first network's results, which are not those of the file.
        learning=None if card.data.get("refit") else learning_of(card),
    )


def _facts(
    classifier: Classifier, answers: Predictions, dataset: Dataset
) -> dict[str, dict[str, str]]:
    card, speed = classifier.card, answers.speed
    return {
        "Model": model_facts(card),
        "Calibration": calibration_facts(card),
        "Data": {"name": dataset.title, "unreadable pictures": str(len(answers.skipped))},
        "Speed": {
            "end to end": tr("{speed} images/s", speed=f"{speed.images_per_second:,.0f}"),
            "the network alone": tr(
                "{speed} images/s", speed=f"{speed.network_images_per_second:,.0f}"
            ),
            "includes": tr(speed.includes),
            "provider": str(classifier.provider),
        }
        if speed
        else {},
        "Machine": machine(),
        "Versions": {"this report": f"kerascnn {__version__}", **card.versions},
    }


def _commands(words: tuple[str, str, str]) -> list[str]:
    model, data, split = words
    return [
        f"pip install 'kerascnn[cpu,report]=={__version__}'",
        command_line(["kerascnn", "report", model, data, "--split", split]),
    ]
