"""How fast an exported file runs on this machine."""
