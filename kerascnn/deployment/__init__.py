"""What other servers need beside an exported file to run it."""
