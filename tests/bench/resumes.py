"""Whether a run that was stopped and resumed in a new process ends as one that was not: the same
bytes of the adapter, and the same record but for what clocks and memory meters said.

usage: python tests/bench/resumes.py [--stops 10] [--dtype bfloat16] [--only head,masks,...]
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stops", type=int, default=10)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--only", help="some of factories.interruptions.RESUMED, by commas")
    parser.add_argument("--examples", type=int, default=12, help="of each client")
    parser.add_argument("--held", type=int, default=24, help="examples to validate and to test")
    parser.add_argument("--layers", type=int, help="cut the model to so many; else it is whole")
    given = parser.parse_args()

    from factories.interruptions import RESUMED, differences, read_record, run_until_stopped
    from factories.tiny import write_cut_model, write_small_desk

    from fedkit.core.config import RunConfig

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fedkit.experiments.runner", "transformers", "peft"])

    def call(config: RunConfig, out: Path, step: int | None = None, how: str = "") -> None:
        args = (config, out, step, how, str(out.parent / "cache"))
        process = context.Process(target=run_until_stopped, args=args)
        process.start()
        process.join()
        assert process.exitcode == (-signal.SIGKILL if how == "kill" else 0)

    same = total = 0
    for name in given.only.split(",") if given.only else RESUMED:
        with tempfile.TemporaryDirectory() as folder:
            data = str(write_small_desk(Path(folder) / "data", held=given.held))
            config = RunConfig(
                data, "text", "label", "company", rounds=3, batch_size=4, dtype=given.dtype
            )
            config = replace(config, examples_per_client=given.examples, **RESUMED[name])
            if given.layers:
                model = write_cut_model(Path(folder) / "model", given.layers)
                config = replace(config, model=str(model))
            whole = Path(folder) / "whole"
            call(config, whole)
            steps = config.rounds * config.clients * -(-given.examples // config.batch_size)
            for i in range(given.stops):
                out, how = Path(folder) / str(i), ("cancel", "kill", "between")[i % 3]
                step = i * steps // given.stops
                call(config, out, step, how)
                kept = len(read_record(out)["rounds"])
                call(config, out)
                found = differences(out, whole)
                same, total = same + (not found), total + 1
                print(
                    f"{name}, {how} at step {step} of {steps}, {kept} rounds kept:"
                    f" {found or 'the same'}",
                    flush=True,
                )
    print(f"{same} of {total} the same")
    return int(same != total)


if __name__ == "__main__":
    raise SystemExit(main())
