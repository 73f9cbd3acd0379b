"""The network: typed layers and tensors with symbolic shapes, and the patterns that find and replace parts of it."""
