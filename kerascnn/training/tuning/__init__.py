"""Hyperparameter search with Optuna: many short runs, the best of which is kept.

Knows: what is searched, and that a trial may be pruned or fail. Does not know: how a run is
trained.
"""
