"""Renders random conversations and expressions with transformers and Jinja, for the tests of chat templates.

Writes tests/fixtures/differential/chat.json; with --check compares it with what is there.
"""

import json
import os
import random
import re
import string
import sys
from pathlib import Path

FIXTURE = Path(__file__).resolve().parent.parent / "fixtures/differential/chat.json"

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

KINDS = Path(__file__).resolve().parent.parent / "fixtures/chat/kinds.json"
SEED, MASKS, RENDERINGS, EXPRESSIONS = 20240817, 400, 500, 900

SPECIAL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}

# Templates with generation blocks, in all spellings of the tags.
MARKED = [
    "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}"
    "{% else %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>{% endif %}{% endfor %}",
    "{%- for m in messages -%}\n{%- if m.role == 'assistant' -%}\n  {%-  generation  -%}\n {{ m.content | trim }}"
    "{{ eos_token }}\n  {%-  endgeneration  -%}\n{%- else -%}\n[{{ m['role'] | upper }}] {{ m['content'] }}\n{% endif -%}\n"
    "{%- endfor -%}\n",
    "{% for m in messages %}\n    {% if m.role == 'assistant' %}\n        {% generation %}\n{{ m.content }}{{ eos_token }}\n"
    "        {% endgeneration %}\n    {% else %}\n{{ m.role }}: {{ m.content }}\n    {% endif %}\n{% endfor %}\n",
    "{{ bos_token }}{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{%generation%}{% if m.role == 'assistant' %}"
    "{% set x = m.content.strip() %}{{ x }}{% endif %}{%endgeneration%}{% if m.role != 'assistant' %}{{ m.content }}{% endif %}"
    "{{ '<|im_end|>' + (x if x is defined else '') + '\\n' }}{% endfor %}",
    "{% macro turn(m) %}{{ m.role }}>{% endmacro %}{%- set ns = namespace(n=0) %}{%- for m in messages %}{{ turn(m) }}"
    "{%- if m.role == 'assistant' %}{%- generation %}{%- set ns.n = ns.n + 1 %}{{ (m.content or '').split('</think>')[-1] }}"
    "{%- for c in m.tool_calls or [] %}<{{ c.function.name }}{{ c.function.arguments | tojson }}>{%- endfor %}"
    "</s>{% endgeneration -%}{%- else %}{{ m.content }}{%- endif %}{{ ns.n }}{%- endfor %}",
]

# Templates without generation blocks that use what Jinja has.
PLAIN = [
    "{{ messages | tojson }}",
    "{{ messages | tojson(indent=2) }}",
    "{% for m in messages %}{{ '%s: %-8s|' % (m.role, m.content | length) }}{{ \"%s\" % m.content }}\n{% endfor %}",
    "{% for m in messages %}{{ loop.index }}/{{ loop.length }} {{ loop.previtem.role if loop.previtem is defined else '-' }} "
    "{% if loop.changed(m.role) %}new {% endif %}{{ m.content.rsplit(' ', 1)[-1] }}{% if m.content is string and m.content %}"
    "{{ m.content.partition('</think>')[2] or 'none' }}{% endif %}\n{% endfor %}",
    "{% for m in messages if m.role != 'system' %}{{ m }}{% if loop.last %}{% break %}{% endif %}{% else %}none{% endfor %}",
    "{% set ns = namespace(list=[]) %}{% for m in messages %}{% if m.tool_calls %}{% for c in m.tool_calls %}"
    "{% for k, v in c.function.arguments.items() %}{% set ns.list = ns.list + [k ~ '=' ~ (v | string)] %}{{ v }};{% endfor %}"
    "{% endfor %}{% endif %}{% endfor %}{{ ns.list | join(', ') }}{{ ns.list }}",
    "{% macro say(m, end='!') %}{{ m.role | capitalize }}: {{ m.content | replace('\\n', ' ') | trim }}{{ end }}{% endmacro %}"
    "{% for m in messages %}{{ say(m) if loop.first else say(m, end='?') }}{{ '-' * 3 }}\n{% endfor %}",
    "{{ messages | map(attribute='role') | unique | list }}{{ messages | selectattr('role', 'equalto', 'user') | list | length }}"
    "{{ messages | rejectattr('content') | list | length }}{{ messages | groupby('role') | map('first') | join('+') }}",
    "{% for m in messages[::-1] %}{% set c = m.content or '' %}{{ c[::-1] }}|{{ c[-3:] }}|{{ c[1:4] }}{% endfor %}",
    "{% for m in messages %}{% if m.role == 'user' and loop.first %}{{ raise_exception('user first: ' + m.content[:5]) }}{% endif %}"
    "{{ m.content | e }}{% endfor %}",
    "{% for m in messages %}{{ m.keys() | list }}{{ m.items() | list | length }}{% for k, v in m | items %}{{ k }}:{{ v }} "
    "{% endfor %}{{ m | dictsort | map('first') | join }}{% endfor %}",
    "{%- if tools %}\n{%- for tool in tools %}\n{{- tool | tojson(sort_keys=true, ensure_ascii=true, separators=(',', ':')) }}\n"
    "{%- for name, p in tool.function.parameters.properties.items() %}{{ name }}{{ p.items() | list | length }}{% endfor %}"
    "{%- endfor %}\n{%- endif %}\n{%- for m in messages %}\n    {%- if m.content is mapping %}map{% elif m.content is string %}"
    "str{% elif m.content is iterable %}seq{% else %}none{% endif %}\n    {%- endfor %}",
    "{% for m in messages %}{% set parts = m.content.split() %}{{ parts | length }} {{ parts | first }} {{ parts | last | default('-') }}"
    " {{ m.content | wordcount }} {{ m.content.title() }} {{ m.content.count('a') }} {{ m.content.find('a') }}\n{% endfor %}",
]


def byte_tokenizer(template, special, tokens):
    """Tokens are bytes, as in the tests' own tokenizer, so that masks can be compared byte by byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 600))
    characters = [chr(byte if byte in printable else next(others)) for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(vocab={character: id for id, character in enumerate(characters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **tokens)
    fast.chat_template = template
    return fast


def word(random):
    return random.choice(["a", "Hi", "über", "2+2", "naïve", "\U0001f980", "<b>", "&", "it's", "\"q\"", "x_y", "</think>", "<think>",
                          "user", "assistant", "ÉTÉ", "ſ", "日本", "100%", "%s", "{{x}}", "\\n", "a,b", ""])


def text(random):
    words = [word(random) for _ in range(random.randint(0, 6))]
    separators = [" ", " ", "\n", "  ", "\n\n", "\t"]
    joined = "".join(part + random.choice(separators) for part in words)
    return random.choice([joined, joined.strip(), joined.strip(), " " + joined])


def value(random, depth=0):
    kinds = ["int", "float", "text", "bool", "null"] + (["list", "dict"] if depth < 2 else [])
    match random.choice(kinds):
        case "int":
            return random.choice([0, 1, -7, 12345, 10**12])
        case "float":
            return random.choice([0.0, 1.5, -2.25, 1e-7, 1.5e-5, 1e16, 1e22, 123456789.125, 0.1, 3e-4])
        case "text":
            return text(random)
        case "bool":
            return random.random() < 0.5
        case "null":
            return None
        case "list":
            return [value(random, depth + 1) for _ in range(random.randint(0, 3))]
        case _:
            return {random.choice(string.ascii_lowercase): value(random, depth + 1) for _ in range(random.randint(0, 3))}


def call(random):
    arguments = {random.choice(["town", "n", "items", "keys", "x"]): value(random) for _ in range(random.randint(0, 3))}
    return {"id": "abcdef012", "type": "function", "function": {"name": random.choice(["rain", "add"]), "arguments": arguments}}


def tool(random):
    properties = {name: {"type": random.choice(["string", "number"]), "description": text(random), **({"items": {"type": "x"}} if random.random() < 0.3 else {})}
                  for name in random.sample(["town", "n", "items", "q"], random.randint(1, 3))}
    return {"type": "function", "function": {"name": random.choice(["rain", "add"]), "description": text(random),
                                             "parameters": {"type": "object", "properties": properties}}}


def conversation(random, calls):
    messages = []
    if random.random() < 0.4:
        messages.append({"role": "system", "content": text(random)})
    if random.random() < 0.1:
        messages.append({"role": "assistant", "content": "x" + text(random)})
    tools = [tool(random) for _ in range(random.randint(1, 2))] if calls and random.random() < 0.6 else None
    for _ in range(random.randint(1, 3)):
        messages.append({"role": "user", "content": text(random)})
        if tools and random.random() < 0.5:
            content = {"content": text(random)} if random.random() < 0.5 else {}
            calls = [call(random) for _ in range(random.randint(1, 2))]
            messages += [{"role": "assistant", **content, "tool_calls": calls}, {"role": "tool", "content": text(random), "tool_call_id": "abcdef012"}]
        think = f"<think>\n{word(random)}\n</think>\n\n" if random.random() < 0.3 else ""
        messages.append({"role": "assistant", "content": think + "y" + text(random)})
    if random.random() < 0.1:
        messages.append({"role": "user", "content": text(random)})
    return {"messages": messages, **({"tools": tools} if tools else {})}


def masked(tokenizer, row):
    """The text with what transformers has in its mask in brackets, as the tests write it."""
    out = tokenizer.apply_chat_template(row["messages"], tools=row.get("tools"), tokenize=True, return_dict=True,
                                        return_assistant_tokens_mask=True)
    ids, mask = out["input_ids"], list(out["assistant_masks"])
    # Nothing precedes the first token that could predict it.
    if mask:
        mask[0] = 0
    parts, start = [], 0
    for end in range(1, len(ids) + 1):
        if end == len(ids) or mask[end] != mask[start]:
            part = tokenizer.decode(ids[start:end], skip_special_tokens=False, clean_up_tokenization_spaces=False)
            parts.append(f"⟦{part}⟧" if mask[start] else part)
            start = end
    return "".join(parts), any(mask)


def rendered(tokenizer, row):
    try:
        return tokenizer.apply_chat_template(row["messages"], tools=row.get("tools"), tokenize=False)
    except Exception:
        return None


# Expressions: operands, and what is done with them. Left out are the known differences, all of them rare: a float with an
# exponent or a list with one beside `~`, `%d` of a float, MarkupSafe's type in lists, duplicates of what cannot be hashed.
STRINGS = ["m.content", "m.role", "'a,b,,c'", "' a b  c '", "'Hello wORLD'", "\"it's\"", "'x=1;y=2'", "s", "'%s'", "'naïve ÉTÉ'"]
NUMBERS = ["0", "1", "7", "-3", "2.5", "1e16", "1e-05", "0.1 + 0.2", "n", "f", "1 / 3", "10 // 3", "2 ** 10", "7 % 3", "-7 % 3"]
LISTS = ["l", "[1, 2.0, none, 'x']", "messages", "'a b c'.split()", "[3, 1, 2]", "['b', 'A', 'c']", "[]", "range(3) | list",
         "messages | map(attribute='role') | list", "[true, false]", "[[1, 'a'], [2]]"]
DICTS = ["m", "{'a': 1, 'b': none}", "d", "{}", "{'items': [1], 'keys': 2.5}"]
ANY = STRINGS + NUMBERS + LISTS + DICTS + ["true", "none", "missing", "m.missing"]
ON_STRINGS = ["{}.upper()", "{}.lower()", "{}.title()", "{}.capitalize()", "{}.swapcase()", "{}.strip()", "{}.strip(' a')", "{}.lstrip()",
              "{}.rstrip('c')", "{}.split(',')", "{}.split()", "{}.split(' ', 1)", "{}.rsplit(',', 1)", "{}.rsplit()", "{}.rsplit(None, 1)",
              "{}.partition(',')", "{}.rpartition('b')", "{}.find('b')", "{}.rfind(',')", "{}.index('a')", "{}.replace('a', 'bb')",
              "{}.replace(',', '', 1)", "{}.startswith('a')", "{}.startswith(('H', ' '))", "{}.endswith('c')", "{}.count('a')",
              "{}.removeprefix('a')", "{}.removesuffix('c')", "{}.zfill(12)", "{}.ljust(9) ~ '|'", "{}.rjust(9, '.')", "{}.center(8) ~ '|'",
              "{}.splitlines()", "{} | title", "{} | capitalize", "{} | trim", "{} | trim(' ac')", "{} | upper", "{} | length", "{} | replace(' ', '_')",
              "{} | wordcount", "{} | list", "{} | reverse", "{} | first", "{} | last", "{} | int", "{} | int(5)", "{} | float", "{} | e", "{} | center(9)",
              "{} | indent(2)", "{} | indent(2, true)", "{} | tojson", "{}[0]", "{}[-1]", "{}[1:3]", "{}[::-1]", "{}[::2]", "{} * 2", "{} + 'z'",
              "{} ~ 1.5", "'%s|%5s|%-5s|' % ({}, 'a', 'b')", "'<%s>' % {}", "'a' in {}", "{} is string", "{} is sequence", "{} is iterable",
              "{} is mapping", "{} is lower", "{} is upper", "{} == 'user'", "{} < 'b'", "{}.isdigit()", "{}.isalpha()", "{}.isspace()", "{}.isupper()",
              "', '.join({}.split(','))", "'{{}}-{{}}'.format({}, 1)", "{} | string", "{} | default('d')", "{} or 'x'", "{} and 'x'", "not {}"]
ON_NUMBERS = ["{} | string", "{} | int", "{} | float", "{} | abs", "{} + 1", "{} * 1.5", "{} / 4", "{} // 2", "{} % 4", "-({})", "{} > 2", "{} == 1",
              "{} is number", "{} is integer", "{} is float", "{} is odd", "{} is divisibleby(2)", "{} | tojson", "'%d' % ({})", "'%.2f' % ({})",
              "'%05.1f|' % ({})", "'%s' % ({})", "'%5d|%-5d|' % ({}, 3)", "[{}]", "{{'a': {}}}", "{} | round", "({}) ** 2", "{} is string", "{} or 5",
              "'%e' % ({})", "'%g' % ({})", "'%x' % ({} | int)", "{} in [1, 2]"]
ON_LISTS = ["{} | length", "{} | first", "{} | last", "{} | join", "{} | join(', ')", "{} | list", "{} | reverse | list", "{} | string", "{} | tojson",
            "{} | tojson(indent=1)", "{}[0]", "{}[-1]", "{}[1:]", "{}[::-1]", "{} + [1]", "{} | map('string') | list", "{} | select | list",
            "{} | reject | list", "{} | unique | list", "{} | map('string') | sort", "{} | batch(2) | list", "1 in {}", "'x' not in {}", "{} is sequence",
            "{} is iterable", "{} is mapping", "{} is string", "{} == []", "{} or 'e'", "{}.count(1)", "{}.index(1)", "{} * 2", "{} is defined", "not {}",
            "{} | slice(2) | list | length", "'%s' % {}", "{} | map('length') | list", "{}[5] is defined", "{}[5] | default('none')"]
ON_DICTS = ["{} | length", "{} | list", "{}.keys() | list", "{}.values() | list", "{}.items() | list", "{}.get('a')", "{}.get('zz', 'q')", "{} | dictsort",
            "{} | items | list", "{} | tojson", "{} | string", "{}.a", "{}['b']", "{}.zz", "{}.zz is defined", "'a' in {}", "'role' not in {}", "{} is mapping",
            "{} is iterable", "{} is sequence", "{} is string", "{} == {{}}", "{} or 'e'", "{} | first", "{} | join('-')", "{} | dictsort(reverse=true)"]
ON_ANY = ["{}", "{} is none", "{} is defined", "{} is undefined", "{} | default('d')", "{} | default('d', true)", "{} | default('d', boolean=true)", "{} | d(1)",
          "'t' if {} else 'f'", "[{}]", "{} is boolean", "{} is sameas none", "{} is eq 1", "{} ~ ''", "({}) | string | length"]


def expression(random):
    source = random.choice([STRINGS, STRINGS, NUMBERS, LISTS, DICTS, ANY])
    operand = random.choice(source)
    forms = {id(STRINGS): ON_STRINGS, id(NUMBERS): ON_NUMBERS, id(LISTS): ON_LISTS, id(DICTS): ON_DICTS}.get(id(source), ON_ANY)
    form = random.choice(forms if random.random() < 0.9 else ON_ANY)
    operand = f"({operand})" if "|" in operand or any(sign in operand for sign in ["+", "/", "%", "*", "-"]) else operand
    inner = form.format(operand)
    if random.random() < 0.25:
        inner = random.choice(["({}) | string", "[{}, 1]", "({}) ~ '!'", "({}) | string | length", "({}) == ({})", "{{'k': {}}}"]).replace("{}", inner).replace("{{", "{").replace("}}", "}")
    context = "{%- set m = messages[0] %}{%- set s = messages[1].content %}{%- set n = 12 %}{%- set f = 1.5e-7 %}" \
              "{%- set l = [1, 'x', none, 2.5] %}{%- set d = {'a': 'é', 'b': [1, 1e20]} %}"
    return context + "{{ " + inner + " }}"


def differs(source):
    exponent = re.search(r"\b[fdl]\b|1e|/|missing\]", source) and "~" in source
    decimal = re.search(r"%\d*[dx]", source) and re.search(r"1e|[./]|\bf\b", source)
    markup = "| e" in source and re.search(r"^\{\{ [\[{]", source)
    return exponent or decimal or markup or "| unique" in source


def record():
    dice = random.Random(SEED)
    kinds = json.loads(KINDS.read_text())
    templates = [{"source": source, "special": SPECIAL, "tokens": TOKENS} for source in MARKED + PLAIN]
    templates += [{"source": "\n".join(kind["template"]), "special": kind["special"], "tokens": kind["tokens"]} for kind in kinds]
    tokenizers = [byte_tokenizer(template["source"], template["special"], template["tokens"]) for template in templates]
    masks, renderings, expressions = [], [], []
    while len(masks) < MASKS:
        number = dice.randrange(len(MARKED))
        row = conversation(dice, calls=number == len(MARKED) - 1)
        marked, any_loss = masked(tokenizers[number], row)
        if any_loss:
            masks.append({"template": number, "row": row, "marked": marked})
    while len(renderings) < RENDERINGS:
        number = dice.randrange(len(MARKED), len(templates))
        row = conversation(dice, calls=True)
        renderings.append({"template": number, "row": row, "text": rendered(tokenizers[number], row)})
    # The texts of the hand-checked masks are what transformers renders.
    for number, kind in enumerate(kinds, len(MARKED) + len(PLAIN)):
        for checked in kind["conversations"]:
            row = json.loads(json.dumps(checked["row"]))
            for message in row["messages"]:
                message.pop("weight", None)
                for one in message.get("tool_calls", []):
                    if isinstance(one["function"]["arguments"], str):
                        one["function"]["arguments"] = json.loads(one["function"]["arguments"])
            got = rendered(tokenizers[number], row)
            expected = "\n".join(checked["text"]).replace("⟦", "").replace("⟧", "")
            # EOS is appended where a template writes no end of an answer.
            same = got == expected or (got is not None and got + kind["tokens"]["eos_token"] == expected)
            assert same or (got is None and "rejects" in expected), (kind["name"], checked["what"], got, expected)
    row = {"messages": [{"role": "user", "content": "a, über b"}, {"role": "assistant", "content": "Hi there\nyou"}]}
    seen = set()
    while len(expressions) < EXPRESSIONS:
        source = expression(dice)
        if source not in seen and not differs(source.rsplit("%}", 1)[1]):
            seen.add(source)
            expressions.append({"source": source, "text": rendered(byte_tokenizer(source, SPECIAL, TOKENS), row)})
    return {"templates": templates, "masks": masks, "renderings": renderings, "row": row, "expressions": expressions}


def main():
    lines = lambda cases: "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]"
    fields = [f'"{name}": {lines(cases) if isinstance(cases, list) else json.dumps(cases, ensure_ascii=False)}' for name, cases in record().items()]
    text = "{\n" + ",\n".join(fields) + "\n}\n"
    if "--check" not in sys.argv[1:]:
        FIXTURE.write_text(text)
    elif FIXTURE.read_text() != text:
        sys.exit(f"{FIXTURE}: transformers or Jinja render something else")
    print(f"chat templates: {MASKS} masks, {RENDERINGS} renderings, {EXPRESSIONS} expressions as recorded")


main()
