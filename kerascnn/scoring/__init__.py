"""Many pictures, in parts, by as many processes and machines as there are.

Knows: a plan that is made once, its parts, who works on them, and what came of it. A part is
scored by any process that can read the model and the pictures; whoever drives writes it, whole or
not at all. Does not know how a picture is classified (:mod:`kerascnn.inference`), nor printing.
"""
