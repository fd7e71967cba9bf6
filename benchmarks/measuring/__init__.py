"""How the benchmarks time and weigh what they compare, and say on which machine."""
