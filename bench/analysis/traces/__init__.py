"""Two traces that anyone made, set against each other: with the unprofiled times of a step, or without."""
