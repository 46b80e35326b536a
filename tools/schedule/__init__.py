"""Time: clocks, the session table, market hours. The only room that knows time zones."""
