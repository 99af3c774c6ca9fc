"""The panel's settings as the text that `fedkit sweep` and `RunConfig.from_dict` read, and back."""

from __future__ import annotations

import base64
import json
import tomllib
from dataclasses import fields
from typing import Any

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.experiments.job import check_config
from fedkit.experiments.plan import Plan

MAX_LENGTH = 20_000  # characters; a longer text is refused
FILE_NAME = "fedkit-settings.toml"


def settings_toml(config: RunConfig) -> str:
    """Return a TOML plan of one run for `fedkit sweep FILE`: non-default settings and the seed."""
    lines = [
        "# one run; make it with: fedkit sweep " + FILE_NAME,
        f"seeds = [{config.seed}]",
        "baselines = []",
        "[settings]",
    ]
    default = RunConfig()
    for f in fields(config):
        value = getattr(config, f.name)
        if f.name != "seed" and value != getattr(default, f.name) and value is not None:
            # JSON writes these values as TOML does
            lines.append(f"{f.name} = {json.dumps(_plain(value), ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def parse_settings(text: str) -> RunConfig:
    """Return the config in a TOML or JSON text: a plan of one run, or settings alone.

    Raises FedkitError, with a message of one line, if the text is something else.
    """
    values = _parse_text(text)
    if not values.keys() & {"settings", "vary", "also", "seeds"}:  # settings alone
        seed = values.pop("seed", 0)
        values = {"settings": values, "seeds": [seed]}
    plan = Plan.from_dict({**values, "baselines": []})
    runs = plan.entries()
    if len(runs) != 1:
        raise FedkitError(
            f"this plan has {len(runs)} runs; the panel takes the settings of one: leave out vary"
            " and also"
        )
    check_config(runs[0].config)
    return runs[0].config


def download_link(text: str) -> str:
    """Return an HTML link that saves `text` as a file; the text is in the link itself."""
    body = base64.b64encode(text.encode()).decode()
    return (
        f"<a download='{FILE_NAME}' style='text-decoration:underline;color:#0b5394'"
        f" href='data:application/toml;base64,{body}'>Download {FILE_NAME}</a>"
    )


def _parse_text(text: str) -> dict[str, Any]:
    if not text.strip() or len(text) > MAX_LENGTH:
        raise FedkitError(
            "nothing to load; paste settings as TOML or JSON"
            if not text.strip()
            else f"{len(text):,} characters given; settings have at most {MAX_LENGTH:,}"
        )
    try:
        values = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise FedkitError(
            f"cannot read this as TOML or JSON: {str(error).splitlines()[0][:120]}"
        ) from None
    if isinstance(values.get("config"), dict):  # a whole run record
        return dict(values["config"])
    return dict(values)


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float)) else str(value)
