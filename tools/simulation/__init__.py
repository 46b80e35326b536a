"""The simulated market and its one account: tapes, matching, book, and the in-memory broker."""
