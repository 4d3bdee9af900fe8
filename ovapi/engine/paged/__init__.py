"""An engine of our own over OpenVINO's paged attention.

One step: the `Scheduler` gives each `Sequence` tokens to compute and blocks to keep them in → a
`Batch` of arrays → one pass of the `Runner` → a `Sampler` picks a token from each row of logits →
a `Generation` makes events of it.

    graph            the model with paged attention, and logits of chosen rows only
    runner           the compiled model, its KV cache, one forward pass
    batch            the arrays of one pass
    cache/           which blocks are free and shared; blocks found again by what they hold
    sequence         the tokens of one answer and the blocks that hold them
    group            a request as the scheduler sees it
    scheduler        what is computed in the next step
    prefill_budget   how many prompt tokens fit beside those that decode
    sampling/        from a row of logits to a token: penalties, draw, randomness, log-probabilities
    drafting/        draft tokens, from the text itself or from a smaller model
    adapters/        LoRA adapters by row, as inputs of the graph
    generation       a request from its logits to its events
    beam_generation  the same for a beam search
    beams            the beams of a search, over shared blocks
    pipeline         all of it behind the commands of a child
"""
