"""Records that no run wrote: one to three values of a real one replaced, dropped or buried."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

NUMBERS = (
    float("nan"),
    float("inf"),
    -float("inf"),
    1e300,
    1e-300,
    -1,
    -0.5,
    0,
    1.5,
    7,
    2**63,
    10**18,
    10**400,
    -(10**400),
    1e17,
)
WORDS = (
    "",
    " ",
    "none",
    "x" * 30_000,
    "\x00\x1b[2J\u202e\u2028\ud800",
    "<b>{0}%s</b>",
    "1e400",
    "column:",
    "example:eps=8",
    "client:eps=1e400",
    "mesh=1",
    "../../etc/passwd",
    "hub:evil/data",
    "10mbps/40ms,fibre=0.5",
    "=cmd()|'/c calc'!A0",
)
# what Python would not write: {placeholder: the JSON in its place}
SPELLED = {"@deep@": "[" * 50_000 + "]" * 50_000, "@digits@": "9" * 5_000, "@huge@": "-1e999"}
OTHERS = (None, True, False, [], {}, [[]], {"": {}}, ["a", 1, None], {"a": [1]}, [1] * 50)


def mutate(values: dict[str, Any], seed: int) -> str:
    """Return values as JSON, with one to three places of them changed; same seed, same text."""
    draw = random.Random(seed)
    out = copy.deepcopy(values)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        _change_one(out, draw)
    text = json.dumps(out)
    for placeholder, spelled in SPELLED.items():
        text = text.replace(f'"{placeholder}"', spelled)
    return text


def _change_one(values: dict[str, Any], draw: random.Random) -> None:
    place, key = draw.choice(list(_places(values)))
    kind = draw.randrange(8)
    if kind == 0:
        del place[key]
    elif kind == 1:
        place[key] = draw.choice((_buried(3), _buried(90), *SPELLED))
    elif kind == 2 and isinstance(place, dict):
        place[draw.choice(WORDS)] = place[key]
    elif kind == 3 and isinstance(place, list):
        place.append(copy.deepcopy(place[key]))
    elif kind == 4 and isinstance(place[key], (int, float)):
        place[key] = -place[key] if draw.random() < 0.3 else place[key] * draw.choice((1e9, 1e30))
    else:
        place[key] = copy.deepcopy(draw.choice(draw.choice((NUMBERS, WORDS, OTHERS))))


def _places(values: Any) -> list[tuple[Any, Any]]:
    """Return (dict or list, key) of a fair number of values: each block counts alike."""
    out, waiting = [], [values]
    while waiting:
        here = waiting.pop()
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        out += [(here, key) for key in keys]
        waiting += [here[key] for key in keys[:60] if isinstance(here[key], (dict, list))]
    return out


def _buried(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value
