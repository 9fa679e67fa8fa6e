"""Writes a tiny random Llama and its tokenizer into a folder: tiny_model.py FOLDER. It says nonsense, and is served like any other."""
import json
import os
import sys

import numpy
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

HIDDEN, LAYERS, HEADS, HEAD = 64, 2, 4, 64  # the CPU attention kernel refuses a head of 16
INNER, VOCABULARY, CONTEXT = 128, 1024, 8192
SPECIAL = ["<|bos|>", "<|eos|>", "<|start|>", "<|end|>", "<|pad|>"]
WORDS = "the gateway routes a request to the replica with the warmest prefix cache while queue depth stays low hello world".split()
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)


def tokenizer(folder, random):
    corpus = [" ".join(random.choice(WORDS, 40)) for _ in range(400)]
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet))
    made.save(os.path.join(folder, "tokenizer.json"))
    names = {"bos_token": SPECIAL[0], "eos_token": SPECIAL[1], "pad_token": SPECIAL[4]}
    write(folder, "special_tokens_map.json", names)
    write(folder, "tokenizer_config.json", {
        **names, "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": CONTEXT, "chat_template": TEMPLATE,
        "clean_up_tokenization_spaces": False,
    })  # fmt: skip


def weights(folder, random):
    def any_(*shape):
        return (random.standard_normal(shape) * 0.05).astype(numpy.float16)

    def ones():
        return numpy.ones(HIDDEN, numpy.float16)

    tensors = {"model.embed_tokens.weight": any_(VOCABULARY, HIDDEN), "lm_head.weight": any_(VOCABULARY, HIDDEN), "model.norm.weight": ones()}
    for layer in range(LAYERS):
        for name, shape in (
            ("self_attn.q_proj", (HEADS * HEAD, HIDDEN)),
            ("self_attn.k_proj", (HEADS * HEAD, HIDDEN)),
            ("self_attn.v_proj", (HEADS * HEAD, HIDDEN)),
            ("self_attn.o_proj", (HIDDEN, HEADS * HEAD)),
            ("mlp.gate_proj", (INNER, HIDDEN)),
            ("mlp.up_proj", (INNER, HIDDEN)),
            ("mlp.down_proj", (HIDDEN, INNER)),
        ):
            tensors[f"model.layers.{layer}.{name}.weight"] = any_(*shape)
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{layer}.{name}.weight"] = ones()
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})


def write(folder, name, content):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        json.dump(content, f, indent=1)


def main(folder):
    os.makedirs(folder, exist_ok=True)
    random = numpy.random.default_rng(7)
    tokenizer(folder, random)
    write(folder, "config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INNER,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "head_dim": HEAD,
        "vocab_size": VOCABULARY, "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
        "tie_word_embeddings": False, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 4, "dtype": "bfloat16",
        "attention_bias": False, "mlp_bias": False,
    })  # fmt: skip
    write(folder, "generation_config.json", {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 4})
    weights(folder, random)


if __name__ == "__main__":
    main(sys.argv[1])
