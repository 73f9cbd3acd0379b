"""ONNX in and ONNX out: the only modules that know the onnx package."""
