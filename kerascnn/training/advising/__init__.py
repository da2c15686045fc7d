"""How deep to fine-tune, decided from the data.

Knows: how many pictures are looked at. What is measured stands in :mod:`.measurement`, what follows
from it in :mod:`.decision`, which has no Keras in it.
"""

SAMPLE = 1500
"""Pictures that are looked at, at most: more change the scores by less than seeds do."""
