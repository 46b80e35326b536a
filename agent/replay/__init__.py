"""A recorded day, lived again."""
