"""Fireside: the Workers AI text-generation API on your own machines."""

import os

__version__ = "0.1.0"

# ONNX Runtime's wheels (1.29 and later) report models and machines to Microsoft unless told not to before they load.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
