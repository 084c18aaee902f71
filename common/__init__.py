"""What every part leans on: errors, files, processes."""
