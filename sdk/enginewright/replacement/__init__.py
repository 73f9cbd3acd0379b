"""Replaces subgraphs of a model by operators of plugins, where both compute the same."""
