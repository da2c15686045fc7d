"""Classify pictures with plain onnxruntime: python classify.py MODEL.onnx PICTURE...

No kerascnn and no preprocessing code: the file takes raw RGB pixels of any size. Needs numpy,
pillow and onnxruntime. `kerascnn.Classifier` is quicker (it sizes with Pillow, and in batches) and
gives the same answers.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image


def main(model: str, *pictures: str) -> None:
    """Print one JSON object a picture."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    card = json.loads(session.get_modelmeta().custom_metadata_map["kerascnn"])
    for path in pictures:
        with Image.open(path) as image:
            rgb = np.asarray(image.convert("RGB"))
        (probabilities,) = session.run(["probabilities"], {"image": rgb[None]})
        best = int(probabilities[0].argmax())
        answer = {"label": card["classes"][best], "probability": float(probabilities[0][best])}
        print(json.dumps({"path": path, **answer}, ensure_ascii=False))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
