"""Fuzzing of every reader: any bytes give a result or the reader's documented error, in bounded time and memory.

``python -m fuzz --reader nsys --inputs 100000 --seed 1`` (docs/fuzzing.md says what is checked and what was found).
"""
