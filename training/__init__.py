"""Makes the built-in model: dialogues, tokenizer, training, export, evaluation."""
