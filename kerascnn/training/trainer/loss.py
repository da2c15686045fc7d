"""The training loss of a batch.

Knows: cross-entropy, label smoothing, class weights. Does not know: gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from keras import ops


class Loss:
    """The loss of a batch, and the number of correct predictions.

    Args:
        smoothing: Share of each label that is spread evenly over all classes, from 0 and below 1.
        weights: Weight of each class, float32 ``[classes]``; None: all equal.
    """

    def __init__(
        self, classes: int, smoothing: float, weights: npt.NDArray[np.float32] | None
    ) -> None:
        self.classes, self.smoothing, self.weights = classes, smoothing, weights

    def __call__(
        self, logits: Any, labels: Any, share: Any = None, others: Any = None
    ) -> tuple[Any, Any]:
        """Return the mean loss and the number of correct predictions.

        Args:
            logits: ``[batch, classes]`` of any floating-point type.
            labels: Integers, ``[batch]``.
            share: Weight of a picture's own label, 0 to 1, if pictures are mixed with those at the
                mirrored positions of the batch; None: they are not mixed.
            others: Labels of the mixed-in pictures, if this is part of a batch; None: it is a whole
                one.

        Returns:
            Mean loss in nats, and the number of correct predictions, judged by the label with the
            larger weight; float32 scalars.
        """
        logits = ops.cast(logits, "float32")
        losses, answered = self._losses(logits, labels), labels
        if share is not None:
            others = partner_labels(labels) if others is None else others
            losses = share * losses + (1 - share) * self._losses(logits, others)
            answered = ops.where(share >= 0.5, labels, others)
        answers = ops.cast(ops.argmax(logits, axis=-1), "int32")
        right = ops.cast(ops.equal(answers, ops.cast(answered, "int32")), "float32")
        return ops.mean(losses), ops.sum(right)

    def _losses(self, logits: Any, labels: Any) -> Any:
        targets = ops.one_hot(labels, self.classes)
        if self.smoothing:
            targets = targets * (1 - self.smoothing) + self.smoothing / self.classes
        losses = ops.categorical_crossentropy(targets, logits, from_logits=True)
        if self.weights is not None:
            losses = losses * ops.take(ops.convert_to_tensor(self.weights), labels)
        return losses


def partner_labels(labels: Any) -> Any:
    """Return the labels of the pictures that those of a batch are mixed with.

    Args:
        labels: ``[batch]``.

    Returns:
        The labels at the mirrored positions, ``[batch]``.
    """
    return ops.flip(labels, axis=0)


def balanced_weights(labels: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float32]:
    """Compute class weights that give every class the same influence.

    Args:
        labels: Labels of the training pictures, int64 ``[pictures]``; every class occurs.

    Returns:
        float32 ``[classes]``: pictures / (classes x pictures of the class), as scikit-learn's
        ``balanced``; the mean over the pictures is 1, so the learning rate keeps its meaning.
    """
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (classes * counts)).astype(np.float32)
