"""An engine of our own over OpenVINO's paged attention.

One step: the `Scheduler` gives each `Sequence` tokens to compute and blocks to keep them in → a
`Batch` of arrays → one pass of the `Runner` → a `Sampler` picks a token from each row of logits →
a `Generation` makes events of it.

    graph           the model with paged attention, and logits of chosen rows only
    runner          the compiled model, its KV cache, one forward pass
    batch           the arrays of one pass
    blocks          which blocks are free, and how many sequences share each
    prefix_cache    blocks found again by what they hold
    sequence        the tokens of one answer and the blocks that hold them
    group           a request as the scheduler sees it
    scheduler       what is computed in the next step
    prefill_budget  how many prompt tokens fit beside those that decode
    sampler         from a row of logits to a token: penalties, draw, randomness
    lookup          draft tokens from the text itself
    draft_model     draft tokens from a smaller model, in a cache of the same blocks
    lora            adapters by row, as inputs of the graph
    logprobs        log-probabilities of a row of logits
    generation      a request from its logits to its events
    beams           the beams of a search, over shared blocks
    pipeline        all of it behind the commands of a child
"""
