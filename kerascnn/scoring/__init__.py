"""Batch scoring: classifies many pictures in parts, on any number of processes and machines.

Knows: a plan that is created once, its parts, the engines that score them, and the summary. Any
process that can read the model and the pictures can score a part; the driver writes it atomically.
Does not know how a picture is classified (:mod:`kerascnn.inference`), or printing.
"""
