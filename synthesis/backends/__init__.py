"""What runs the networks: torch itself, or their ONNX graphs under onnxruntime or OpenVINO.

The three networks of a synthesiser (text encoder, estimator, vocoder) are exported at their first use and kept as
files. `graph_modules` puts such graphs in the networks' places; all that calls them stays as it is.
"""
