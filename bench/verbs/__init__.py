"""One module per verb of ``python -m bench``; each is imported only when its verb is called."""
