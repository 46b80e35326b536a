"""The prompt file: what it may say, its versions, and what its `$names` stand for."""
