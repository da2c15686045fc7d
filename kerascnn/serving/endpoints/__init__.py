"""What the server answers, one file for each way of asking.

Knows: paths, messages. Does not know how pictures are classified (:mod:`kerascnn.serving.service`).
"""
