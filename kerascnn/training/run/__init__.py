"""The run folder: what it holds, checkpoints, where its model comes from, and how it resumes."""
