"""Where the numbers of nodes and pods come from: one bounded question to Prometheus at a time."""
