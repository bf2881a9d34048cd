"""Is the diagnosis right? Causes of known size are planted, in made-up timelines and in real runs, and looked for."""
