"""The pictures of a run: its splits, decoded once into packs, and divided into batches."""
