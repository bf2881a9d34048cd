"""The StarCoder2 quantisation study (de Reus, Oprescu, Zuidema 2024): what it printed, what its own raw data say, and
what a user's run says beside both."""
