"""The generator of the default model's corpus: Kokoro-82M in virtual voices and continuous manners, well labelled."""
