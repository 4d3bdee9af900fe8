"""The prompts that tests share with the campaign."""

from soak.client.prompts import GREETING, LASTING, LONG, SURE, UNSURE, WAVERING, chat

__all__ = ["GREETING", "LASTING", "LONG", "SURE", "UNSURE", "WAVERING", "chat"]
