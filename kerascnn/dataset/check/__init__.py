"""``kerascnn data check``: finds the problems of a data set before training."""
