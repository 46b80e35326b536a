"""Names that models went by."""

RETIRED = {"deepseek-chat": "deepseek-flash", "deepseek-reasoner": "deepseek-flash"}
"""Ids that DeepSeek refuses since 2026-07-24, and what to use instead."""
