"""The plan: a frozen, serializable engine, and the caches that are stored in the same container."""
