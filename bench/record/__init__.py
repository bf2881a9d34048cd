"""The record room: what a measurement is, and how it is kept. A leaf: no torch, no other room."""
