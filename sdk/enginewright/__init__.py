"""Enginewright builds tuned engines from trained models and runs them fast."""
