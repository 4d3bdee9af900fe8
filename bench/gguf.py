"""Makes a model of `bench.model` once more, with the same weights, for llama.cpp and its kin.

    pip install gguf && python -m bench.gguf --quantize PATH/llama-quantize [--copier]

Its 4 bits come nearest to our int4: symmetric too (Q4_0), in groups of 32 and not of 128, and the
embeddings, which are the last layer too, in 8 bits as with us. It needs the extra `train` besides.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from bench.model import CACHE, CHATML, COPIER, NAME, SHAPE, SPECIAL, folder, save_weights

TENSORS = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""transformers' names and llama.cpp's."""


def gguf_name(name: str) -> str:
    """llama.cpp's for a tensor: ``blk.3.attn_q.weight``."""
    module, _, kind = name.rpartition(".")
    if not module.startswith("model.layers."):
        return f"{TENSORS[module]}.{kind}"
    _, _, number, part = module.split(".", 3)
    return f"blk.{number}.{TENSORS[part]}.{kind}"


def write_shape(writer: Any, source: Path) -> None:
    """`source` is transformers' folder, which knows the positions too."""
    config = json.loads((source / "config.json").read_text())
    writer.add_context_length(SHAPE["max_position_embeddings"])
    writer.add_embedding_length(SHAPE["hidden_size"])
    writer.add_block_count(SHAPE["num_hidden_layers"])
    writer.add_feed_forward_length(SHAPE["intermediate_size"])
    writer.add_head_count(SHAPE["num_attention_heads"])
    writer.add_head_count_kv(SHAPE["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(SHAPE["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])


def write_tokenizer(writer: Any, state: dict[str, Any]) -> None:
    """`state` is that of tokenizer.json."""
    import gguf

    numbers = {**state["model"]["vocab"], **{e["content"]: e["id"] for e in state["added_tokens"]}}
    kinds = (gguf.TokenType.NORMAL, gguf.TokenType.CONTROL)
    tokens = sorted(numbers, key=numbers.__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds[token in SPECIAL] for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in state["model"]["merges"]])
    writer.add_eos_token_id(numbers[SPECIAL[-1]])
    writer.add_pad_token_id(numbers[SPECIAL[0]])
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHATML)


def write(name: str, source: Path, target: Path) -> None:
    """From transformers' layout, in 16 bits and the vectors in 32."""
    import gguf
    import numpy
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder("fp16", name=name) / "tokenizer.json"))
    save_weights(name, tokenizer, source)
    writer = gguf.GGUFWriter(target, "qwen2")
    write_shape(writer, source)
    write_tokenizer(writer, json.loads(tokenizer.to_str()))
    for tensor, values in load_file(source / "model.safetensors").items():
        if tensor != "lm_head.weight":
            kind = numpy.float32 if values.ndim == 1 else numpy.float16
            writer.add_tensor(gguf_name(tensor), values.astype(kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.gguf", description=__doc__)
    parser.add_argument("--quantize", required=True, help="llama.cpp's program for it")
    parser.add_argument("--type", default="Q4_0", help="of the weights")
    parser.add_argument("--copier", action="store_true", help="the model that copies")
    given = parser.parse_args()
    name = COPIER if given.copier else NAME
    made = CACHE / f"{name}-{given.type}.gguf"
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        whole, part = Path(scratch, "f16.gguf"), Path(scratch, "made.gguf")
        write(name, Path(scratch), whole)
        subprocess.run([given.quantize, whole, part, given.type], check=True)
        part.rename(made)
    print(made)


if __name__ == "__main__":
    main()
