"""What is remembered: SQLite for state that decisions rest on, JSON lines for history."""
