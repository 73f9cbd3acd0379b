"""Devices: buffers, streams, events, and where kernels come from."""
