"""Finds problems of a data set as a whole: too few classes, too few pictures, all equal.

Knows: counts and hashes. Does not know single pictures (outliers), or how similar two are
(near_duplicates).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kerascnn.dataset.check.fingerprints import Fingerprints


def structural_faults(
    counts: Mapping[str, Sequence[int]], classes: Sequence[str], fingerprints: Fingerprints
) -> Iterator[str]:
    """Yield the problems, in one line each, that make a data set unfit whatever its pictures."""
    train = counts["train"]
    if len(classes) == 1:
        yield f"one class only ({classes[0]!r}): expected at least two. Add pictures of another."
    if 0 < sum(train) < len(classes):
        yield (
            f"more classes than training pictures ({len(classes):,} and {sum(train):,}): expected "
            "some pictures of each class. Add pictures, or merge classes."
        )
    elif "val" not in counts and max(train, default=0) == 1:
        yield (
            "no class has two pictures, so none can be held out for validation. Add pictures, or "
            "give a val/ folder."
        )
    for split, numbers in counts.items():
        if split != "train" and not sum(numbers):
            yield f"no picture of split {split} can be read. Add pictures, or remove the split."
    hashes = {one for one in fingerprints.hashes if one}
    readable = sum(map(sum, counts.values()))
    if len(hashes) == 1 and readable > 1:
        yield f"all {readable:,} pictures are the same: expected different ones. Are they blank?"
    elif readable > 1 and fingerprints.flat[[bool(one) for one in fingerprints.hashes]].all():
        yield f"all {readable:,} pictures are blank: there is nothing to classify. Look at them."
