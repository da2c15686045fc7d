"""The model page on the Hugging Face Hub: ``README.md`` with the Hub's metadata.

Knows: the Hub's metadata for facts of a card, and what a reader needs to use the file. Does not
know how it is uploaded.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from kerascnn import __version__
from kerascnn.card import ModelCard
from kerascnn.printable import printable

MARK = "<!-- Written by kerascnn push, which leaves a page without this line as it is. -->"

_PAGE = """\
# {name}

{mark}

Classifies pictures into {count} classes. Trained with Keras ({network}), and exported by
kerascnn as one ONNX file that contains weights, preprocessing and class names.

## Use

```sh
pip install 'kerascnn[cpu,hub]'
kerascnn predict {shell_address} photo.jpg
```

```python
from kerascnn import Classifier

classifier = Classifier({python_address})
print(classifier.classify("photo.jpg").label)
```

Without kerascnn: `{file}` runs in onnxruntime. Its input `image` takes uint8
`[batch, height, width, 3]`, RGB; its output `probabilities` has the classes in the order below.

## Classes

{classes}

## Evaluation

{metrics}

{parity}

## Training data

{data}

## Provenance

SHA-256 of `{file}`: `{sha256}`. Exported by kerascnn {version}; `card.json` has all details.
"""

_LISTED = 1000
"""Maximum classes to list: those of ImageNet."""

Metric = tuple[str, str, str, float]
"""Split, name, the Hub's type of metric, and value."""

_MARKUP = re.compile(r"[\\`*_\[\]<>#|&~$!]|^[-+=]|(?<=\d)[.)](?=\s|$)")
"""Characters with a meaning in the Hub's Markdown, which includes formulas."""


def page(card: ModelCard, address: str, sha256: str, license_id: str) -> str:
    """Return a model's page: Markdown, preceded by the Hub's metadata in YAML.

    ``address``: ``hf://OWNER/NAME[@REVISION]/FILE``. ``license_id``: of a license on the Hub.
    """
    found = evaluations(card)
    text = _PAGE.format(
        name=_escaped(card.name),
        mark=MARK,
        count=f"{len(card.classes):,}",
        network=_escaped(card.network),
        shell_address=shlex.quote(address),
        python_address=json.dumps(address, ensure_ascii=False),
        file=address.rpartition("/")[2],
        classes=_classes(card),
        metrics=_metrics(found),
        parity=_parity(card),
        data=_data(card),
        sha256=sha256,
        version=_escaped(card.versions.get("kerascnn", __version__)),
    )
    return f"---\n{_metadata(card, license_id, found)}\n---\n\n{text}"


def _metadata(card: ModelCard, license_id: str, found: list[Metric]) -> str:
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        license=license_id,
        library_name="kerascnn",
        pipeline_tag="image-classification",
        tags=["onnx", "keras", "image-classification"],
        model_name=card.name if found else None,
        eval_results=_results(card, found) if found else None,
    )
    return str(data.to_yaml())


def _metrics(found: list[Metric]) -> str:
    rows = [f"| {name} ({_escaped(split)}) | {value:.4g} |" for split, name, _, value in found]
    return "\n".join(["| metric | value |", "|---|---:|", *rows]) if rows else "Not measured."


def evaluations(card: ModelCard) -> list[Metric]:
    """List the metrics of the file itself."""
    if card.reduction is not None and card.parity is not None:
        # The metrics of training are those of the float32 network.
        return [(card.parity.data, "top-1 accuracy", "accuracy", card.reduction.top1_after)]
    copies = card.metrics.get("val_leaked", 0)
    val = f"validation, {copies:,.0f} of them training pictures" if copies else "validation"
    if card.data.get("refit"):
        val += ", before they were learned from"
    known = {
        "val_top1": (val, "top-1 accuracy", "accuracy"),
        "val_nll": (val, "cross-entropy", "loss"),
        "val_ece": (val, "expected calibration error", "expected_calibration_error"),
        "top1": (card.parity.data if card.parity else "verification", "top-1 accuracy", "accuracy"),
    }
    return [(*words, card.metrics[key]) for key, words in known.items() if key in card.metrics]


def _results(card: ModelCard, found: list[Metric]) -> list[Any]:
    from huggingface_hub import EvalResult

    name = str(card.data.get("name") or "pictures")
    return [
        EvalResult(
            task_type="image-classification",
            dataset_type=name,
            dataset_name=name,
            dataset_split=split,
            metric_type=kind,
            metric_name=words,
            metric_value=value,
        )
        for split, words, kind, value in found
    ]


def _classes(card: ModelCard) -> str:
    shown = [f"{number}. {_escaped(name)}" for number, name in enumerate(card.classes[:_LISTED])]
    more = len(card.classes) - len(shown)
    return "\n".join([*shown, *([f"\n… and {more:,} more, in `card.json`."] if more else [])])


def _escaped(text: str) -> str:
    """Escape a name for Markdown."""
    return _MARKUP.sub(r"\\\g<0>", printable(" ".join(text.split())))


def _parity(card: ModelCard) -> str:
    if card.parity is None:
        return ""
    one = card.parity
    return (
        f"Compared with the Keras model on {one.images:,} pictures of {_escaped(one.data)}: "
        f"{one.top1_mismatches:,} top-1 predictions differ, probabilities by at most "
        f"{one.max_abs_diff:.1g}. Precision: {card.precision}."
    )


def _data(card: ModelCard) -> str:
    if not card.data:
        return "Not recorded."
    counts = [f"{card.data[split]:,} {split}" for split in ("train", "val", "test")
              if isinstance(card.data.get(split), int)]  # fmt: skip
    name = _escaped(str(card.data.get("name", "")))
    refit = (
        " Afterwards, this network has learned from those of train and val."
        if card.data.get("refit")
        else ""
    )
    return f"{name}: {', '.join(counts) or 'number of pictures not recorded'}.{refit}"
