"""Where training runs: one device, several of a machine, or several processes."""
