"""Tokenizers made of vocabulary files, as transformers makes them.

usage: vocabulary.py [--check]

Records the ids of transformers as fixtures of the tests. With --check, compares the recorded ones with those of the installed
transformers. Vocabularies and texts are made up from a fixed seed."""

import json
import random
import sys
from pathlib import Path

from transformers import BertTokenizer, GPT2Tokenizer, Qwen2Tokenizer, RobertaTokenizer

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures/differential/vocabulary"
CHINESE = "你好世界天地人山水火"
ACCENTS = "éèüößñçåøİıŁžАбвгдЯαβγΩ"
WORDS = ["the", "good", "film", "bad", "movie", "number", "really", "not", "like", "it", "un", "able", "ing", "ed", "naïve",
         "Café", "Paris", "USA", "don", "t", "42", "İstanbul", "Straße", "hello", "world", "Москва", "東京", "안녕", "สวัสดี"]
ODD = [" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u200b", "\u200d", "\ufeff", "\u0000", "\u0007", "\ufffd", "e\u0301",
       "n\u0303", "😀", "👨‍👩‍👧", "مرحبا", "שלום", "ﬁ", "Ⅷ", "½", "𠀀", "龥", "豈", "—", "…", "“x”", "'s", "'RE", "_", "$", "^", "`", "~",
       "x" * 99, "x" * 101, "##ing", "[MASK]", "[CLS]", "[SEP]", "[mask]", "<mask>", "<s>", "</s>", "<|endoftext|>", "<extra>"]


def bert_vocabulary(cased):
    tokens = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = "abcdefghijklmnopqrstuvwxyz0123456789" + "".join(c for c in ACCENTS if cased or c == c.lower())
    if cased:
        letters += "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    punctuation = "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~—…“”"
    words = [w if cased else w.lower() for w in WORDS]
    pieces = [*letters, *("##" + c for c in letters), *CHINESE, *punctuation, *words, *("##" + w for w in words)]
    return list(dict.fromkeys(tokens + pieces))


def byte_characters():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 1024))
    return [chr(b if b in printable else next(others)) for b in range(256)]


def bpe(special):
    characters = byte_characters()
    tokens, merges = list(special) + characters, []
    for word in [*WORDS, *(" " + w for w in WORDS), "  ", "\n\n", "'s", "..", "你好"]:
        parts = [characters[b] for b in word.encode()]
        while len(parts) > 1:
            pair = (parts[0], parts[1])
            if pair not in merges:
                merges.append(pair)
            parts[:2] = ["".join(pair)]
            tokens.append(parts[0])
    return {token: id for id, token in enumerate(dict.fromkeys(tokens))}, merges


def write_bpe(folder, special):
    vocabulary, merges = bpe(special)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))


def token(content, **options):
    return {"__type": "AddedToken", "content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, **options}


# Name, class, files beside the vocabulary, special tokens of a BPE vocabulary.
CASES = [
    ("bert-uncased", BertTokenizer, {}, None),
    ("bert-cased", BertTokenizer, {"tokenizer_config.json": {"do_lower_case": False}}, None),
    ("bert-options", BertTokenizer, {
        "tokenizer_config.json": {"do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": False, "tokenizer_class": "BertTokenizer"},
        "added_tokens.json": {"<extra>": "NEXT"}}, None),
    ("roberta", RobertaTokenizer, {}, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]),
    ("roberta-options", RobertaTokenizer, {
        "tokenizer_config.json": {"add_prefix_space": True, "mask_token": token("<mask>", lstrip=True)}},
     ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]),
    ("gpt2", GPT2Tokenizer, {"tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}}, ["<|endoftext|>"]),
    ("gpt2-bos", GPT2Tokenizer, {"tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True}}, ["<|endoftext|>"]),
    ("qwen2", Qwen2Tokenizer, {"tokenizer_config.json": {
        "tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
        "added_tokens_decoder": {"NEXT": token("<|im_start|>", special=True), "NEXT+1": token("<|im_end|>", special=True)}}}, ["<|endoftext|>"]),
]


def texts(seed, count):
    draw = random.Random(seed)
    made = ["", " ", "the good film", "THE GOOD FILM!", "Café déjà vu, naïve İstanbul Straße", "你好世界,hello世界", "[MASK] the <mask> film"]
    while len(made) < count:
        parts = []
        for _ in range(draw.randint(1, 9)):
            word = draw.choice(WORDS if draw.random() < 0.6 else ODD)
            word = draw.choice([word, word, word.upper(), word.capitalize(), word + draw.choice(CHINESE), word + draw.choice(ACCENTS)])
            parts += [word, draw.choice([" ", " ", " ", "", ",", ". ", "-"])]
        made.append("".join(parts))
    return made


def prepare(name, files, special):
    folder = FIXTURES / name
    folder.mkdir(parents=True, exist_ok=True)
    if special is None:
        tokens = bert_vocabulary("cased" in name and "uncased" not in name)
        (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
        size = len(tokens)
    else:
        write_bpe(folder, special)
        size = len(json.loads((folder / "vocab.json").read_text()))
    for file, content in files.items():
        text = json.dumps(content).replace('"NEXT+1"', f'"{size + 1}"')
        text = text.replace(': "NEXT"', f": {size}").replace('"NEXT"', f'"{size}"')
        (folder / file).write_text(text)
    kind = name.split("-")[0]
    (folder / "config.json").write_text(json.dumps({"model_type": {"gpt2": "llama"}.get(kind, kind)}))
    return folder


def rows(folder, tokenizer, seed):
    tokenizer = tokenizer.from_pretrained(folder)
    made = texts(seed, 120)
    for number, text in enumerate(made):
        pair = made[-number] if number % 4 == 3 else None
        yield {"text": text, "pair": pair, "ids": tokenizer(text, pair)["input_ids"]}


def main():
    check = "--check" in sys.argv[1:]
    different = 0
    for number, (name, tokenizer, files, special) in enumerate(CASES):
        folder = FIXTURES / name
        if not check:
            prepare(name, files, special)
        found = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(folder, tokenizer, number))
        recorded = folder / "expected.jsonl"
        if not check:
            recorded.write_text(found)
        elif recorded.read_text() != found:
            print(f"{name}: transformers gives other ids than recorded", file=sys.stderr)
            different += 1
    if different:
        sys.exit(1)
    print(f"{len(CASES)} tokenizers made of vocabulary files, 120 texts each, as transformers tokenizes them")


main()
