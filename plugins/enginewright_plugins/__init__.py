"""Plugins that come with Enginewright, found through the entry point as anybody's are."""

from enginewright_plugins import efficient_nms

__all__ = ["efficient_nms"]
