"""The runtime: an engine runs a plan, and a context is one thread's hold on it."""
