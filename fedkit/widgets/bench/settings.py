"""The settings of the bench panel: its controls, their values for a config, and settings as text.

The controls stand in `controls.toml`. One that is not simply a field of RunConfig is read in
`control_values` and written in `apply_values`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from fedkit.core import formatting
from fedkit.core.config import RunConfig, parse_spec
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_table
from fedkit.core.spec import parameter_types
from fedkit.experiments.job import check_config
from fedkit.experiments.plan import Plan
from fedkit.federated.strategies import STRATEGIES
from fedkit.models.tuners.registry import TUNERS
from fedkit.network import DEVICES, parse_link, profiles

CONTROLS = read_packaged_table("fedkit.widgets.bench", "controls.toml")
WORDS = read_packaged_table("fedkit.widgets.bench", "words.toml")
FIELDS = {name: control["setting"] for name, control in CONTROLS.items() if "setting" in control}
REGISTRIES = {
    "tuners": {name: name for name in TUNERS},
    "strategies": {name: name for name in STRATEGIES},
    "devices": {name.replace("-", " "): name for name in DEVICES},
}
# settings left out of the names of results: they only change the redrawn figure
REDRAWN = ("link", "devices", "server_link", "pace", "device", "dtype", "engine")
MAX_LENGTH = 20_000  # characters of settings as text; a longer text is refused
FILE_NAME = "fedkit-settings.toml"


@dataclass(frozen=True)
class ControlSpec:
    """A control of the panel."""

    title: str
    options: dict[str, Any]  # {words: value}
    help: str  # one line
    menu: bool = False  # a drop-down; else a slider over the steps
    trains: bool = True  # False: the figure is redrawn, nothing is trained


def control_specs(config: RunConfig) -> dict[str, ControlSpec]:
    """Return every control by name; a value of `config` that is no step becomes one."""
    specs = {}
    for name, value in control_values(config).items():
        one = CONTROLS[name]
        menu, trains = one.get("menu", False), not one.get("redraws", False)
        specs[name] = ControlSpec(one["title"], _options(name, value), one["help"], menu, trains)
    return specs


def control_values(config: RunConfig) -> dict[str, Any]:
    """Return {control: value} for `config`; partition 'auto' becomes 'unlike'."""
    speed, latency = _split_line(config.link)
    values = {name: getattr(config, setting) for name, setting in FIELDS.items()} | {
        "skew": "dirichlet:0.5" if config.partition == "auto" else config.partition,
        "tune": parse_spec(config.tune)[0],
        "rank": tuning_rank(config.tune),
        "lost": float(_parse_faults(config.faults).get("lost", 0.0)),
        "bandwidth": speed,
        "latency": latency,
        "deadline": config.deadline or 0.0,  # 0 for None, which a slider cannot hold
    }
    return {name: values[name] for name in CONTROLS}


def apply_values(config: RunConfig, values: dict[str, Any]) -> RunConfig:
    """Return `config` with the controls' values; other parameters and faults stay."""
    link = values["bandwidth"]
    link += "" if has_fixed_latency(link) else f"/{values['latency']}"
    rates = {k: v for k, v in _parse_faults(config.faults).items() if k != "lost"}
    rates |= {"lost": f"{values['lost']:g}"} if values["lost"] else {}
    return replace(
        config,
        **{setting: values[name] for name, setting in FIELDS.items()},
        partition=values["skew"],
        tune=_tune_spec(config.tune, values["tune"], values["rank"]),
        faults=",".join(f"{k}={v}" for k, v in rates.items()) or "none",
        link=link,
        deadline=values["deadline"] or None,
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


def _options(name: str, now: Any) -> dict[str, Any]:
    """Return {words: value} of a control, `now` among them: numbers in order, words come last."""
    control = CONTROLS[name]
    if "steps" in control:
        steps = sorted({*control["steps"], now})
        return {control["one" if n == 1 else "many"].format(n): n for n in steps}
    options = REGISTRIES.get(control.get("registry"), {}) | control.get("options", {})
    if now in options.values():
        return options
    if isinstance(now, float):
        words = f"{100 * now:g} % lost" if name == "lost" else formatting.seconds(now)
        return dict(sorted({**options, words: now}.items(), key=lambda item: item[1]))
    return {**options, _describe_line(now): now}


def _describe_line(value: str) -> str:
    """Return a link in words: '20mbps:2mbps' -> '20 Mbit/s down and 2 Mbit/s up'."""
    try:
        return profiles.describe_link(value).split(" each way")[0].split(", 0 ms")[0]
    except FedkitError:
        return value


# ---- names of results


def name_configs(configs: Iterable[RunConfig]) -> list[str]:
    """Return a short name for each config: what differs between them, else a number."""
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
    if value in (None, "none") and setting in WORDS["absent"]:
        return WORDS["absent"][setting]
    words = {spec: word for word, spec in CONTROLS["skew"]["options"].items()}
    words |= {spec: word.partition(":")[0] for word, spec in CONTROLS["privacy"]["options"].items()}
    if setting == "tune":
        return value.split(",")[0]
    if setting == "local_epochs":
        return CONTROLS["epochs"]["one" if value == 1 else "many"].format(value)
    if setting == "deadline":
        value = formatting.seconds(value)
    elif setting in ("partition", "privacy"):
        value = words.get(value, value)
    return WORDS["named"].get(setting, setting.replace("_", " ") + " {}").format(value)


# ---- settings as the text that `fedkit sweep` and `RunConfig.from_dict` read, and back


def settings_toml(config: RunConfig) -> str:
    """Return a TOML plan of one run for `fedkit sweep FILE`: non-default settings and the seed."""
    lines = [f"# one run; make it with: fedkit sweep {FILE_NAME}", f"seeds = [{config.seed}]"]
    lines += ["baselines = []", "[settings]"]
    default = RunConfig().to_dict()
    for name, value in config.to_dict().items():
        if name != "seed" and value != default[name] and value is not None:
            plain = value if isinstance(value, (bool, int, float)) else str(value)
            # JSON writes these values as TOML does
            lines.append(f"{name} = {json.dumps(plain, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def parse_settings(text: str) -> RunConfig:
    """Return the config in a TOML or JSON text: a plan of one run, or settings alone.

    Raises FedkitError, with a message of one line, if the text is something else.
    """
    values = _parse_text(text)
    if not values.keys() & {"settings", "vary", "also", "seeds"}:  # settings alone
        seed = values.pop("seed", 0)
        values = {"settings": values, "seeds": [seed]}
    runs = Plan.from_dict({**values, "baselines": []}).entries()
    if len(runs) != 1:
        many = f"this plan has {len(runs)} runs; the panel takes the settings of one"
        raise FedkitError(f"{many}: leave out vary and also")
    check_config(runs[0].config)
    return runs[0].config


def _parse_text(text: str) -> dict[str, Any]:
    if not text.strip():
        raise FedkitError("nothing to load; paste settings as TOML or JSON")
    if len(text) > MAX_LENGTH:
        raise FedkitError(f"{len(text):,} characters given; settings have at most {MAX_LENGTH:,}")
    try:
        values = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:120]
        raise FedkitError(f"cannot read this as TOML or JSON: {reason}") from None
    # a whole run record has its settings in `config`
    return dict(values["config"] if isinstance(values.get("config"), dict) else values)
