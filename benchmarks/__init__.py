"""The benchmarks: what the exports cost, beside other tools on the same rows. ``make bench`` runs them all."""
