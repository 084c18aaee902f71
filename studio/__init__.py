"""The studio: hear and shape styles in a browser. `page.py` alone knows Gradio; the rest is plain Python."""

from studio.server import main

__all__ = ["main"]
