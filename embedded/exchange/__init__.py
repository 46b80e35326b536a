"""The embedded exchange: Alpaca's APIs over one simulated account; the owner of simulated time."""
