"""Writes a model repository for Triton, and a KServe manifest that refers to it.

Knows: Triton's repository layout and configuration, and KServe's InferenceService. Does not know
how a file is exported, or HTTP.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from pathlib import Path

from kerascnn.card import ModelCard
from kerascnn.errors import ConfigError
from kerascnn.files import atomic_write, write_bytes, write_text
from kerascnn.inference.model_file.metadata import read_card

log = logging.getLogger(__name__)

MAX_BATCH = 32
"""Maximum pictures per batch, as `kerascnn predict` has it by default."""

MAX_WAIT_US = 2000
"""Maximum time in microseconds that a request waits for others to fill its batch, as `kerascnn
serve` has it by default."""

MAX_QUEUE = 256
"""Maximum waiting requests, eight full batches, as `kerascnn serve` has it by default; Triton
refuses more (503)."""

CPUS = 2
"""Processor limit of the pod in the manifest, and number of onnxruntime's threads, which would
otherwise be one per processor of the host, competing for the pod's processors."""

_CONFIG = """\
# Written by kerascnn export --triton for {name}: {classes} classes, resize rule {resize}.
# Height and width are fixed: the graph can resize pictures, but only on onnxruntime's CPU provider
# is the result exact. So clients send pictures of {height} x {width}, resized as kerascnn does it
# (kerascnn.images.size_picture).
name: {quoted}
backend: "onnxruntime"
max_batch_size: {max_batch}
input [
  {{
    name: "image"
    data_type: TYPE_UINT8
    dims: [ {height}, {width}, 3 ]
  }}
]
output [
  {{
    name: "logits"
    data_type: TYPE_FP32
    dims: [ {classes} ]
    label_filename: "labels.txt"
  }},
  {{
    name: "probabilities"
    data_type: TYPE_FP32
    dims: [ {classes} ]
    label_filename: "labels.txt"
  }}
]
dynamic_batching {{
  preferred_batch_size: [ {half_batch}, {max_batch} ]
  max_queue_delay_microseconds: {max_wait}
  default_queue_policy {{
    max_queue_size: {max_queue}
  }}
}}
# One session, on a GPU if Triton has one. Several sessions on one processor would compete for it.
instance_group [
  {{
    count: 1
    kind: KIND_AUTO
  }}
]
# Threads of one inference: as many as the processors that kserve.yaml allows.
parameters {{
  key: "intra_op_thread_count"
  value: {{ string_value: "{threads}" }}
}}
"""

_MANIFEST = """\
# Written by kerascnn export --triton. Put the folder where storageUri points to (or change it to
# s3://…, gs://…, https://…), then: kubectl apply -f kserve.yaml
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {service}
spec:
  predictor:
    minReplicas: 1
    model:
      modelFormat:
        name: triton
        version: "2"
      protocolVersion: v2
      storageUri: {uri}
      resources:
        requests:
          cpu: "1"
          memory: 2Gi
        limits:
          cpu: "{cpus}"
          memory: 4Gi
"""


def write_triton(model: str | Path, folder: str | Path) -> Path:
    """Write a Triton model repository, or add a model to one.

    Args:
        model: Exported file; its stem becomes the model's name.
        folder: The repository; an existing model with this name is replaced. An edited
            ``config.pbtxt`` is kept as ``config.pbtxt.old``; an edited ``kserve.yaml`` is kept, and
            the new one is written next to it.

    Returns:
        The model's folder, with ``config.pbtxt``, ``labels.txt`` and ``1/model.onnx``;
        ``kserve.yaml`` is next to the folder.

    Raises:
        ModelFileError: kerascnn did not export the file.
        ConfigError: A class name has a line break, which Triton's labels cannot have.
        KerascnnError: The folder cannot be written.
    """
    path, root = Path(model), Path(folder)
    card, name = read_card(path), path.stem
    broken = [label for label in card.classes if len(label.splitlines()) != 1]
    if broken:
        raise ConfigError(
            f"{path}: class {broken[0]!r} cannot be a line of Triton's labels.txt. Rename it."
        )
    home = root / name
    with atomic_write(home / "1" / "model.onnx") as temporary:
        shutil.copyfile(path, temporary)
    write_text(home / "labels.txt", "".join(f"{label}\n" for label in card.classes))
    _replace(home / "config.pbtxt", triton_config(name, card))
    _write_unless_edited(root / "kserve.yaml", _manifest(name, root))
    return home


def _replace(path: Path, text: str) -> None:
    """Write a file that must match the model; keep an edited one next to it."""
    if _differs(path, text):
        old = path.with_name(f"{path.name}.old")
        write_bytes(old, path.read_bytes())
        log.warning("%s was overwritten; its previous content is in %s.", path, old)
    write_text(path, text)


def _write_unless_edited(path: Path, text: str) -> None:
    """Write a file that users edit; keep an edited one, and write the new one next to it."""
    if not _differs(path, text):
        write_text(path, text)
        return
    new = path.with_name(f"{path.name}.new")
    write_text(new, text)
    log.warning("%s was edited and is kept; the generated version is %s.", path, new)


def _differs(path: Path, text: str) -> bool:
    return path.exists() and path.read_bytes() != text.encode()


def triton_config(name: str, card: ModelCard) -> str:
    """Return a model's configuration in protobuf text format."""
    return _CONFIG.format(
        name=" ".join(name.split()),
        quoted=json.dumps(name, ensure_ascii=False),
        classes=len(card.classes),
        resize=card.resize,
        height=card.shape[0],
        width=card.shape[1],
        max_batch=MAX_BATCH,
        half_batch=MAX_BATCH // 2,
        max_queue=MAX_QUEUE,
        threads=CPUS,
        max_wait=MAX_WAIT_US,
    )


def _manifest(name: str, root: Path) -> str:
    # Kubernetes allows lower-case letters, digits and hyphens (RFC 1035), up to 63 characters.
    service = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-")
    if not service[:1].isalpha():
        service = f"model-{service}".strip("-")
    uri = json.dumps(f"pvc://models/{root.resolve().name}")
    return _MANIFEST.format(service=service, uri=uri, cpus=CPUS)
