"""The registry: where operators, tactics and plugins sign in and are found by key."""
