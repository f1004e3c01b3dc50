"""Fireside: the Workers AI text-generation API on your own machines."""

__version__ = "0.1.0"
