"""An engine over OpenVINO's paged attention, in which every step is a batch of our own making.

One step: commands are taken → the `Scheduler` gives each `Sequence` tokens to compute and blocks
to keep them in → a `Batch` of arrays → `Runner.run` → a `Sampler` picks from each row of logits →
tokens go to the output processors, which make the events.

    graph         the model with paged attention, and logits of chosen rows only
    runner        the compiled model, its KV cache, one forward pass
    batch         the arrays of one pass
    blocks        which blocks are free, and how many share each
    prefix_cache  blocks found again by what they hold
    sequence      the tokens of one answer and the blocks that hold them
    scheduler     who is computed in the next step
    pace          how much of a prompt fits beside those that decode
    sampler       from logits to tokens
    engine        all of it behind the worker's commands
"""
