"""Plugins that come with Enginewright, found through the entry point as anybody's are."""
