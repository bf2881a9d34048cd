"""What measures: clocks, energy counters, memory counters and the description of the machine."""
