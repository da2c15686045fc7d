"""What `scripts/bench_serving compare` compares with: LitServe and a plain FastAPI handler.

    python scripts/bench_serving_rivals.py litserve|fastapi MODEL.onnx PROVIDER PORT BATCH WORKERS

Both use kerascnn's own Classifier and decoding, so that only the serving differs. LitServe takes
pictures as its own documentation shows it, in base64 within JSON, batches them, and decodes a
batch in threads. FastAPI has no batching: each request is decoded and run in a thread.
"""

import base64
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kerascnn import Classifier, images
from kerascnn.inference.prediction import rank
from kerascnn.parallel import usable_cpus

try:
    import litserve
except ModuleNotFoundError:  # only one of the two need be there
    litserve = None


class Asked:
    """A classifier with its decoding."""

    def __init__(self, model: str, provider: str, threads: int | None) -> None:
        self.classifier = Classifier(model, provider, threads)
        self.pool = ThreadPoolExecutor(usable_cpus())

    def size(self, content: bytes) -> images.UInt8Array:
        """Decode a picture and bring it to the model's size."""
        card = self.classifier.card
        return images.size_picture(images.decode(content), card.image_size, card.resize)

    def answer(self, row: np.ndarray) -> dict:
        """Write an answer."""
        return rank(row, self.classifier.classes, 5).to_dict()


class Lit(litserve.LitAPI if litserve else object):
    """The API as LitServe wants it; it is pickled into its workers."""

    def __init__(self, model: str, provider: str, batch: int, workers: int) -> None:
        super().__init__(max_batch_size=batch, batch_timeout=0.005 if batch > 1 else 0.0)
        self.model, self.provider = model, provider
        self.threads = max(1, usable_cpus() // workers)

    def setup(self, device):  # noqa: ARG002 - LitServe's signature
        """Open the model."""
        self.asked = Asked(self.model, self.provider, self.threads)

    def decode_request(self, request):
        """Read the picture."""
        return base64.b64decode(request["picture"])

    def batch(self, inputs):
        """Size many pictures in threads."""
        return np.stack(list(self.asked.pool.map(self.asked.size, inputs)))

    def predict(self, inputs):
        """Run one picture, or a batch."""
        one = isinstance(inputs, bytes)
        rows = self.asked.classifier.run(self.batch([inputs]) if one else inputs)[1]
        return rows[0] if one else rows

    def unbatch(self, output):
        """Give the rows."""
        return list(output)

    def encode_response(self, output):
        """Write an answer."""
        return self.asked.answer(output)


def run_litserve(model: str, provider: str, port: int, batch: int, workers: int) -> None:
    """Run LitServe."""
    api = Lit(model, provider, batch, workers)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=workers, timeout=60)
    server.run(port=port, host="127.0.0.1", log_level="warning", generate_client_file=False)


def run_fastapi(model: str, provider: str, port: int) -> None:
    """Run a FastAPI application."""
    import fastapi
    import uvicorn
    from fastapi.concurrency import run_in_threadpool

    app, asked = fastapi.FastAPI(), Asked(model, provider, None)

    def work(content: bytes) -> dict:
        return asked.answer(asked.classifier.run(asked.size(content)[None])[1][0])

    @app.get("/health")
    async def health() -> dict:
        return {}

    @app.post("/predict")
    async def predict(request: fastapi.Request) -> dict:
        return await run_in_threadpool(work, await request.body())

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    kind, model, provider, port, batch, workers = sys.argv[1:]
    if kind == "litserve":
        run_litserve(model, provider, int(port), int(batch), int(workers))
    else:
        run_fastapi(model, provider, int(port))
