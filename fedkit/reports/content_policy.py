"""The content security policy of a page: only its own scripts run, and nothing is fetched."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

INLINE = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL)


def content_policy(scripts: Iterable[str]) -> str:
    """Return a policy by which only these scripts run, and nothing is fetched."""
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:;"
        " base-uri 'none'; form-action 'none'"
    )


def policy_of_parts(parts: Iterable[str]) -> str:
    """Return the <meta> of a policy that lets the scripts in these parts of a page run, no others.

    parts: HTML that plotly wrote, before anything else is put into the page.
    """
    policy = content_policy(script for part in parts for script in INLINE.findall(part))
    return f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
