"""What is measured: schemes, models, generation and matrix products. torch is imported by the functions."""
