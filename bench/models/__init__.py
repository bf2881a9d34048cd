"""Where a model's weights come from, what of them was loaded, and what share of them a scheme quantised."""
