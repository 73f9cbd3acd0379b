"""Makes releases: the snapshot of the public interface, what may change between two, and the release command."""
