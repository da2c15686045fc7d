"""Advice on how deep to fine-tune, based on the data.

Knows: how many pictures are used. The measurements are in :mod:`.measurement`, the decision in
:mod:`.decision`, which does not use Keras.
"""

SAMPLE = 1500
"""Maximum number of pictures that are used: more change the scores by less than seeds do."""
