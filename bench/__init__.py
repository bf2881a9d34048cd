"""bitledger: measure quantised language models and explain where the time went."""
