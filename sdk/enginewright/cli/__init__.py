"""The command line: one file a command, each calling the public Python API."""
