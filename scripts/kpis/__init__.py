"""`make kpis` and `make report`: what the energy manager wants to see, in the terminal, as data, or on paper."""
