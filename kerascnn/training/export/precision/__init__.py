"""Lower precision: smaller weights, faster arithmetic, and a count of the changed predictions."""

from kerascnn.training.export.precision.reduce import MAX_DROP, Pictures, reduce_file

__all__ = ["MAX_DROP", "Pictures", "reduce_file"]
