"""The library under the counters: synchronous, mostly pure."""
