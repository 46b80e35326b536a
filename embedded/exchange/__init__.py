"""The embedded exchange: Alpaca's APIs over one simulated account, and the owner of simulated time."""
