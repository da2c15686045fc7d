"""The run folder: its files, checkpoints, provenance, and resuming."""
