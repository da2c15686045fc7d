"""Training steps: loss, optimiser, learning-rate schedule, and how many steps run in one call.

Knows: what is compiled, on TensorFlow and on JAX. Does not know: files, phases, progress.
"""

from kerascnn.training.steps.backend import Backend
from kerascnn.training.steps.epochs import Training
from kerascnn.training.steps.making import make_backend
from kerascnn.training.steps.objective import Objective, balanced_weights
from kerascnn.training.steps.optimizer import make_optimizer

__all__ = [
    "Backend",
    "Objective",
    "Training",
    "balanced_weights",
    "make_backend",
    "make_optimizer",
]
