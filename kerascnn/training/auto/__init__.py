"""The resolution of ``auto``: options of a run that follow from its data."""
