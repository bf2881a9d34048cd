"""Speed, memory, joules and quality weighed against each other."""
