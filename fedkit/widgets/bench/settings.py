"""The controls of the bench panel: title, steps and help of each, and their values for a config.

To offer one more setting, extend `control_specs`, `control_values` and `apply_values`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from fedkit.core import formatting
from fedkit.core.config import RunConfig, parse_spec
from fedkit.core.errors import FedkitError
from fedkit.core.spec import parameter_types
from fedkit.federated.strategies import STRATEGIES
from fedkit.models.tuners.registry import TUNERS
from fedkit.network import DEVICES, parse_link, profiles

SKEWS = {
    "alike": "iid",
    "a little unlike": "dirichlet:3",
    "unlike": "dirichlet:0.5",
    "very unlike": "dirichlet:0.1",
}
SPEEDS = {
    "64 kbit/s": "64kbps",
    "256 kbit/s": "256kbps",
    "1 Mbit/s": "1mbps",
    "4 Mbit/s": "4mbps",
    "10 Mbit/s": "10mbps",
    "30 Mbit/s": "30mbps",
    "100 Mbit/s": "100mbps",
    "1 Gbit/s": "1gbps",
}
LATENCIES = {f"{ms} ms": f"{ms}ms" for ms in (1, 5, 10, 20, 40, 100, 300, 600)}
WIRES = {
    "none: as it is": "none",
    "bf16: half the bits": "bf16",
    "int8+ans: 8 bits, coded": "int8+ans",
    "ef+sign+ans: signs, with a memory": "ef+sign+ans",
    "topk:0.03+int4+ans: the largest 3 %": "topk:0.03+int4+ans",
}
PRIVACIES = {"none: nothing promised": "none"} | {
    f"\u03b5 {eps} per example{more}": f"example:eps={eps}"
    for eps, more in ((8, ": weak"), (3, ""), (1, ": strong"))
}
SECURES = {"none: each update is read": "none", "masks: only sums are read": "masks"}
DROPOUTS = {f"{p} % lost" if p else "none lost": p / 100 for p in (0, 5, 10, 20, 30, 50)}
DEADLINES = {"none": 0.0} | {
    formatting.seconds(s).replace(".0", ""): float(s) for s in (0.5, 1, 2, 5, 10, 20, 60)
}
DEADLINES |= {"5 min": 300.0, "15 min": 900.0, "1 h": 3600.0}
MIXES = {  # offered where every name is in DEVICES
    "old PCs 70 %, GPU servers 30 %": "old-pc=0.7,gpu-server=0.3",
    "laptops 50 %, old PCs 50 %": "laptop=0.5,old-pc=0.5",
    "phones 50 %, laptops 50 %": "phone=0.5,laptop=0.5",
}
COUNTS = {
    "clients": (*range(2, 13), 15, 20, 30, 50, 100),
    "epochs": (1, 2, 3, 4, 5, 8, 10),
    "rank": (1, 2, 4, 8, 16, 32),
    "rounds": (*range(1, 11), 12, 15, 20, 30, 50),
}
# settings left out of the names of results: they only change the redrawn figure
REDRAWN = ("link", "devices", "server_link", "pace", "device", "dtype", "engine")


@dataclass(frozen=True)
class ControlSpec:
    """A control of the panel."""

    title: str  # with its unit where the steps have none
    options: dict[str, Any]  # {words: value}
    help: str  # one line
    menu: bool = False  # a drop-down; else a slider over the steps
    trains: bool = True  # False: the figure is redrawn, nothing is trained


def control_specs(config: RunConfig) -> dict[str, ControlSpec]:
    """Return every control by name; a value of `config` that is no step becomes one."""
    now = control_values(config)
    strategies = {name: name for name in STRATEGIES}
    specs = {
        "clients": ControlSpec(
            "Clients", _count_options("clients", "client", now), "Companies that take part."
        ),
        "skew": ControlSpec("Their text", SKEWS, "How unlike their label mixes are."),
        "rounds": ControlSpec(
            "Rounds", _count_options("rounds", "round", now), "How often they train and send."
        ),
        "epochs": ControlSpec(
            "Local epochs",
            _count_options("epochs", "pass", now),
            "Passes over their text in a round.",
        ),
        "tune": ControlSpec(
            "Tuning", {n: n for n in TUNERS}, "What is trained, and travels.", menu=True
        ),
        "rank": ControlSpec(
            "Rank", _count_options("rank", "rank", now), "Width of the small matrices."
        ),
        "wire": ControlSpec("Wire", WIRES, "How updates are made small.", menu=True),
        "strategy": ControlSpec(
            "Strategy", strategies, "What the server does with them.", menu=True
        ),
        "privacy": ControlSpec(
            "Privacy", PRIVACIES, "Noise at each site, for a promise.", menu=True
        ),
        "secure": ControlSpec("Secure sum", SECURES, "Not secure, for teaching.", menu=True),
        "lost": ControlSpec("Drop-outs", DROPOUTS, "Uploads lost, by chance."),
        "bandwidth": ControlSpec(
            "Bandwidth", SPEEDS, "Each client's line, each way.", trains=False
        ),
        "latency": ControlSpec("Latency", LATENCIES, "Delay of a message, one way.", trains=False),
        "devices": ControlSpec(
            "Their PCs", _device_options(), "Speed against this machine.", menu=True, trains=False
        ),
        "deadline": ControlSpec(
            "Deadline", DEADLINES, "Then the server waits no longer.", trains=False
        ),
    }
    return {
        name: replace(spec, options=_add_option(spec.options, now[name]))
        for name, spec in specs.items()
    }


def control_values(config: RunConfig) -> dict[str, Any]:
    """Return {control: value} for `config`; partition 'auto' becomes 'unlike'."""
    name, _ = parse_spec(config.tune)
    speed, latency = _split_line(config.link)
    return {
        "clients": config.clients,
        "skew": "dirichlet:0.5" if config.partition == "auto" else config.partition,
        "rounds": config.rounds,
        "epochs": config.local_epochs,
        "tune": name,
        "rank": tuning_rank(config.tune),
        "wire": config.wire,
        "strategy": config.strategy,
        "lost": float(_parse_faults(config.faults).get("lost", 0.0)),
        "privacy": config.privacy,
        "secure": config.secure,
        "bandwidth": speed,
        "latency": latency,
        "devices": config.devices,
        "deadline": config.deadline or 0.0,  # 0 for None, which a slider cannot hold
    }


def apply_values(config: RunConfig, values: dict[str, Any]) -> RunConfig:
    """Return `config` with the controls' values; other parameters and faults stay."""
    link = values["bandwidth"]
    link += "" if has_fixed_latency(link) else f"/{values['latency']}"
    rates = {k: v for k, v in _parse_faults(config.faults).items() if k != "lost"}
    rates |= {"lost": f"{values['lost']:g}"} if values["lost"] else {}
    return replace(
        config,
        clients=values["clients"],
        partition=values["skew"],
        rounds=values["rounds"],
        local_epochs=values["epochs"],
        tune=_tune_spec(config.tune, values["tune"], values["rank"]),
        wire=values["wire"],
        strategy=values["strategy"],
        faults=",".join(f"{k}={v}" for k, v in rates.items()) or "none",
        link=link,
        devices=values["devices"],
        deadline=values["deadline"] or None,
        privacy=values["privacy"],
        secure=values["secure"],
    )


def has_fixed_latency(bandwidth: str) -> bool:
    """Return whether this is a profile or a mix of links, which includes a latency."""
    try:
        parse_link(f"{bandwidth}/1ms")
        return False
    except FedkitError:
        return True


def has_rank(tune: str) -> bool:
    """Return whether the tuning method has a rank."""
    name = parse_spec(tune)[0]
    return name in TUNERS and "r" in parameter_types(TUNERS[name])


def tuning_rank(tune: str) -> int:
    """Return the rank in a tuning spec, else the default of its method, else 8."""
    name, options = parse_spec(tune)
    own = {f.name: f.default for f in fields(TUNERS[name])}.get("r", 8) if name in TUNERS else 8
    first = options.get("r") or (options.get("") if has_rank(tune) else None)
    return int(first) if first and first.isdigit() else own


def _tune_spec(given: str, name: str, r: int) -> str:
    """Return the tuning with this name and rank; other parameters stay if the name does."""
    was, options = parse_spec(given)
    if (name, r) == (was, tuning_rank(given)):
        return given
    kept = {k: v for k, v in options.items() if k and was == name}
    kept |= {"r": r} if has_rank(name) else {}
    order = sorted(kept.items(), key=lambda item: item[0] != "r")
    return name + ":" * bool(order) + ",".join(f"{k}={v}" for k, v in order)


def _split_line(link: str) -> tuple[str, str]:
    """Return bandwidth and latency of a link: '10mbps/40ms' -> ('10mbps', '40ms').

    A profile, a mix, or a line with jitter or loss stays whole.
    """
    speed, _, latency = link.partition("/")
    if has_fixed_latency(speed) or "/" in latency:
        return link, "40ms"
    return speed, latency or "0ms"


def _parse_faults(faults: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in faults.split(",") if "=" in part)
    return {k.strip(): v.strip() for k, _, v in pairs}


def _device_options() -> dict[str, str]:
    alone = {name.replace("-", " "): name for name in DEVICES}
    return alone | {
        words: mix
        for words, mix in MIXES.items()
        if all(p.split("=")[0] in DEVICES for p in mix.split(","))
    }


def _count_options(name: str, noun: str, now: dict[str, Any]) -> dict[str, int]:
    plural = {"pass": "passes"}.get(noun, f"{noun}s")
    steps = sorted({*COUNTS[name], now[name]})
    return {
        f"rank {n}" if noun == "rank" else f"{n} {noun if n == 1 else plural}": n for n in steps
    }


def _add_option(options: dict[str, Any], wanted: Any) -> dict[str, Any]:
    """Return the options with `wanted` among them: numbers stay in order, words come last."""
    if wanted in options.values():
        return options
    if isinstance(wanted, float):
        words = f"{100 * wanted:g} % lost" if options is DROPOUTS else formatting.seconds(wanted)
        return dict(sorted({**options, words: wanted}.items(), key=lambda item: item[1]))
    return {**options, _describe_line(wanted): wanted}


def _describe_line(value: str) -> str:
    """Return a link in words: '20mbps:2mbps' -> '20 Mbit/s down and 2 Mbit/s up'."""
    try:
        return profiles.describe_link(value).split(" each way")[0].split(", 0 ms")[0]
    except FedkitError:
        return value


def name_configs(configs: Iterable[RunConfig]) -> list[str]:
    """Return a short name for each config: what differs between them, else a number."""
    configs = list(configs)
    every = [c.to_dict() for c in configs]
    keys = [k for k in every[0] if k not in REDRAWN] if every else []
    differing = [k for k in keys if len({str(v[k]) for v in every}) > 1]
    shown = differing or (["clients", "partition"] if len(every) == 1 else [])
    names = [", ".join(describe_setting(k, v[k]) for k in shown) for v in every]
    return [
        n if names.count(n) == 1 else ", ".join(filter(None, [n, f"run {i}"]))
        for i, n in enumerate(names, start=1)
    ]


def describe_setting(setting: str, value: Any) -> str:
    """Return a setting as a few words: ('clients', 6) -> '6 clients'."""
    skews = {spec: word for word, spec in SKEWS.items()}
    private = {spec: word for word, spec in PRIVACIES.items()}
    writers = {
        "clients": lambda v: f"{v} clients",
        "partition": lambda v: skews.get(v, v),
        "rounds": lambda v: f"{v} rounds",
        "local_epochs": lambda v: f"{v} pass{'es' * (v != 1)}",
        "tune": lambda v: v.split(",")[0],
        "wire": lambda v: "nothing squeezed" if v == "none" else v,
        "strategy": str,
        "faults": lambda v: "none lost" if v == "none" else v,
        "privacy": lambda v: (
            "no privacy" if v == "none" else private[v].partition(":")[0] if v in private else v
        ),
        "secure": lambda v: "updates read" if v == "none" else f"{v}: sums only",
        "deadline": lambda v: "no deadline" if v is None else f"deadline {formatting.seconds(v)}",
    }
    if setting in writers:
        return writers[setting](value)
    return f"{setting.replace('_', ' ')} {value}"
