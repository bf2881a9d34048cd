"""What observing costs, and what is left of a trace without it (docs/adr/0007).

One model: recording an operator, an annotated range or a call costs the host a fixed time each (costs.py), more in the
midst of a model than in a short loop. How much more is fitted over all observed arms of a run on a CPU (fitted.py), and
found by playing the trace again on a GPU, which hides it where it is busy (replayed.py). Where no time without the
observer is known, it is bounded (costs.py).
"""
