"""How each hypothesis is judged; which there are, says bench/analysis/hypotheses.py."""
