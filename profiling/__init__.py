"""What the GPU and the host did: annotation, capture and readers of profiler output."""
