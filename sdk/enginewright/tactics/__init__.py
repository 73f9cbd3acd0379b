"""The ways to run an operator: which kernel, with which formats, parameters and workspace."""
