"""The trainer: phases, epochs and compiled steps, on each of Keras' backends.

Knows: what is compiled, in which order phases and epochs run, what is measured and kept. Does not
know: how data is read, what is written about a run after its end.
"""
