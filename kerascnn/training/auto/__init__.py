"""What ``auto`` stands for: the options of a run that follow from its data."""
