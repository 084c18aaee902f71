"""Audio features, their cache on disk, filelists, corpus readers, and batches for training."""
