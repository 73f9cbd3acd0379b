"""The optimizer: one pass a file, run in the order written here."""
