"""The laws of a settlement: one truth, whatever arrives, how often and in which order."""
