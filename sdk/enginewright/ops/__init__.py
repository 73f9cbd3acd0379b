"""The operators: for each family its attributes, shape rule, ONNX rules, NumPy reference and examples."""
