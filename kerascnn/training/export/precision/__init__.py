"""Lower precision: smaller weights, quicker arithmetic, and every changed answer counted."""

from kerascnn.training.export.precision.reduce import MAX_DROP, Pictures, reduce_file

__all__ = ["MAX_DROP", "Pictures", "reduce_file"]
