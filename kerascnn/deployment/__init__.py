"""What other servers need, in addition to an exported file, to run it."""
