"""The studio: hear and shape styles in a browser. `page.py` alone knows Gradio; the rest is plain Python."""
