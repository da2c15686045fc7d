"""The pictures of a run: its splits, decoded once into a pack, and dealt out in batches."""
