"""Lower precision: smaller weights, faster arithmetic, and a count of the changed predictions."""
