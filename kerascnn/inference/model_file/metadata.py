"""Reads the card of an ``.onnx`` file, without the onnx package.

Knows: the parts of ModelProto needed to find ``metadata_props`` and the graph. The graph is
skipped, so this is fast for a file of any size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kerascnn.card import METADATA_KEY, ModelCard
from kerascnn.errors import ModelFileError
from kerascnn.files import did_you_mean
from kerascnn.inference.model_file.advice import describe_path
from kerascnn.inference.model_file.protobuf import Message, Span

_GRAPH, _METADATA_PROPS = 7, 14
"""Fields of ModelProto; https://github.com/onnx/onnx/blob/main/onnx/onnx.proto."""


def read_card(path: str | Path) -> ModelCard:
    """Read the card of an exported file.

    Raises:
        ModelFileError: No such file, not an ONNX file, or one without a card.
    """
    card = find_card(path)
    if card is None:
        raise ModelFileError(
            f"{path}: an ONNX file, but not one that kerascnn exported: it has no card with class "
            "names and preprocessing. Give these: `labels` FILE (one class name per line, in the "
            "order of the outputs) and `image_size` PIXELS; in Python, "
            "Classifier(path, foreign=ForeignModel(...))."
        )
    return card


def find_card(path: str | Path) -> ModelCard | None:
    """Read the card of an ``.onnx`` file; None if kerascnn did not export it.

    Raises:
        ModelFileError: No such file, not an ONNX file, or a card that is not valid.
    """
    metadata = read_metadata(path)
    text = metadata.get(METADATA_KEY)
    return None if text is None else ModelCard.from_json(text, str(path))


def read_metadata(path: str | Path) -> dict[str, str]:
    """Read ``metadata_props`` of an ``.onnx`` file.

    Raises:
        ModelFileError: No such file, or not a whole ONNX file.
    """
    with opened(path) as model:
        if _GRAPH not in model:
            raise ValueError("no graph")
        return dict(map(read_entry, model.messages(_METADATA_PROPS)))


@contextmanager
def opened(path: str | Path) -> Iterator[Message]:
    """Yield the ModelProto of an ``.onnx`` file; errors while reading become a ModelFileError."""
    place = Path(path)
    try:
        if place.exists() and not (place.is_file() or place.is_dir()):
            # Opening a named pipe would block until a writer appears.
            raise ModelFileError(f"{path}: not a regular file. Expected an .onnx file.")
        with place.open("rb") as file:
            yield Message(file, Span(0, file.seek(0, 2)))
    except FileNotFoundError as error:
        description = describe_path(path)
        near = f" {description}" if description else did_you_mean(path)
        raise ModelFileError(f"{path}: no such file.{near}") from error
    except OSError as error:
        description = describe_path(path) or f"The system says: {error.strerror or error}."
        raise ModelFileError(f"{path}: cannot read it as an .onnx file. {description}") from error
    except (ValueError, IndexError) as error:
        description = describe_path(path) or "Export or copy it again."
        raise ModelFileError(
            f"{path}: not an ONNX file, or a truncated one. {description}"
        ) from error


def find_graph(model: Message) -> Message:
    """Find the graph of a model.

    Raises:
        ValueError: There is none.
    """
    if _GRAPH not in model:
        raise ValueError("no graph")
    return model.message(_GRAPH)


def read_entry(entry: Message) -> tuple[str, str]:
    """Read a StringStringEntryProto: field 1 is the key, field 2 the value."""
    return entry.data(1).decode(), entry.data(2).decode()
