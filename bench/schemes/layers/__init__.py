"""Layers of schemes that transformers has no loader for. They import torch: a family opens its own where it is used."""
