"""The Prometheus text format, read as strictly as its page says: what is not allowed there fails."""

import math
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|Inf|NaN)")


def labels_of(text):
    """`a="b",c="d"` as a dict; nothing else may stand between the brackets."""
    found, at = {}, 0
    while at < len(text):
        m = LABEL.match(text, at)
        assert m, text
        assert m[1] not in found and not m[1].startswith("__"), text
        found[m[1]] = re.sub(r"\\(.)", lambda e: "\n" if e[1] == "n" else e[1], m[2])
        at = m.end()
        if at < len(text):
            assert text[at] == "," and at + 1 < len(text), text
            at += 1
    return found


def base_of(name, kinds):
    for suffix in ("_bucket", "_sum", "_count"):
        if name.endswith(suffix) and kinds.get(name[: -len(suffix)]) == "histogram":
            return name[: -len(suffix)]
    return name


def check_histogram(name, samples):
    """Of each set of labels: buckets grow to +Inf, which is the count; a sum is there."""
    sets = {}
    for (sample, labels), value in samples.items():
        rest = tuple(kv for kv in labels if kv[0] != "le")
        sets.setdefault(rest, {}).setdefault(sample[len(name):], []).append((dict(labels).get("le"), value))
    for rest, parts in sets.items():
        edges = [float(le) for le, _ in parts["_bucket"]]
        counts = [n for _, n in parts["_bucket"]]
        assert edges == sorted(set(edges)) and edges[-1] == math.inf, (name, rest)
        assert counts == sorted(counts) and counts[-1] == parts["_count"][0][1], (name, rest)
        assert len(parts["_sum"]) == len(parts["_count"]) == 1, (name, rest)
        assert (counts[-1] == 0) == (parts["_sum"][0][1] == 0) or counts[-1] > 0, (name, rest)


def parse(text):
    """{name: {labels as a tuple of pairs: value}} after checking everything; histograms under their samples' names."""
    assert text.endswith("\n") and "\r" not in text
    helps, kinds, families, current = {}, {}, {}, None
    for line in text[:-1].split("\n"):
        comment = re.fullmatch(r"# (HELP|TYPE) (\S+) (.+)", line)
        if comment:
            word, name, rest = comment.groups()
            assert NAME.fullmatch(name) and name.startswith("leadd_"), line
            if word == "HELP":
                assert name not in helps, f"{name} has two families"
                helps[name], current = rest, name
            else:
                assert name == current and name not in kinds and rest in ("counter", "gauge", "histogram"), line
                assert name in helps and (rest == "counter") == name.endswith("_total"), line
                kinds[name] = rest
                families[name] = {}
            continue
        m = re.fullmatch(r"([^\s{]+)(?:\{(.+)\})? (\S+)", line)
        assert m and NAME.fullmatch(m[1]) and NUMBER.fullmatch(m[3]), line
        family = base_of(m[1], kinds)
        assert family == current and family in kinds, f"{line}: not within its family"
        key = m[1], tuple(labels_of(m[2] or "").items())
        assert key not in families[family], f"twice: {line}"
        families[family][key] = float(m[3].replace("Inf", "inf"))
        assert kinds[family] == "gauge" or families[family][key] >= 0, line
    assert helps.keys() == kinds.keys()
    for name, kind in kinds.items():
        if kind == "histogram":
            check_histogram(name, families[name])
    found = {}
    for samples in families.values():
        for (name, labels), value in samples.items():
            found.setdefault(name, {})[labels] = value
    return found


def value(found, name, /, **labels):
    """The one sample with these labels among its own."""
    hits = [v for key, v in found[name].items() if labels.items() <= dict(key).items()]
    assert len(hits) == 1, (name, labels, hits)
    return hits[0]
