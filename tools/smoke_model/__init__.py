"""Trains the "smoke" checkpoint: a tiny StarCoder2 that has memorised 39 HumanEval tasks.

It exists so that every part of bitledger runs offline on real weights whose output can be right or wrong. It is
not a language model of any use: every figure taken on it is labelled "memorised".
Run it with ``python -m tools.smoke_model --out DIR``.
"""
