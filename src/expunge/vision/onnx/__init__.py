"""ONNX in, ONNX out: a graph read into torch, edited, and written back with only its numbers changed."""
