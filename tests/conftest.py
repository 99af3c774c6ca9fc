"""Before anything is imported: no hub, no telemetry, no tokenizer threads.

Slow tests carry `@pytest.mark.slow`; `make test-quick` leaves them out with `-m "not slow"`.
"""

from __future__ import annotations

import os

os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    FLWR_TELEMETRY_ENABLED="0",
    DO_NOT_TRACK="1",
    TOKENIZERS_PARALLELISM="false",
)
