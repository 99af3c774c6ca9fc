"""How fast the kit is on this machine, beside a bare PEFT loop and Flower's simulation: `make
bench`.

Every contestant runs in a process of its own, one after another and again, so that a slow moment of
the machine meets them all. Ratios are taken within a repetition; the medians are shown. Results:
OUT/DATE.json and a table. usage: python tests/bench [--data NAME|PATH] [--repeats 5] [--only
lora,last,head,clients,seeds,wire,replay,secure] [--out runs/bench]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
CLIENTS = (10, 100, 1_000, 10_000)
PARTS = ("lora", "last", "head", "clients", "seeds", "wire", "replay", "secure")
Results = dict[str, list[dict]]


def child(words: list[str]) -> None:
    """In a process of its own: do one job and print what was measured as the last line."""
    what, argument, data, judge = words
    sys.path.insert(0, str(HERE))
    if what in ("kit", "bare", "flower"):
        module = {"kit": "jobs"}.get(what, what)
        out = getattr(__import__(module), what)(argument, data, judge == "judge")
    else:
        out = getattr(__import__(what), what)(int(argument), data)
    print(json.dumps(out))


def measured(what: str, argument: str | int, data: str, judge: bool = True) -> dict:
    """Run a child; what it printed, and the seconds of its process, the judging at its end left
    out.
    """
    began = time.perf_counter()
    command = [
        sys.executable,
        str(HERE),
        "--child",
        what,
        str(argument),
        data,
        "judge" if judge else "skip",
    ]
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    whole = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{what} {argument} failed:\n{done.stderr[-2000:]}")
    result = json.loads(done.stdout.strip().splitlines()[-1])
    result |= {"what": what, "process_seconds": whole - result.get("judging_seconds", 0.0)}
    print(
        f"  {what} {argument}: "
        + (f"{result['seconds']:.2f} s in the rounds, " if "seconds" in result else "")
        + f"{whole:.1f} s in all",
        file=sys.stderr,
        flush=True,
    )
    return result


def race(name: str, data: str, repeats: int) -> Results:
    """The kit and its peers at one job, in turn."""
    there = importlib.util.find_spec("flwr") and importlib.util.find_spec("ray")
    peers = ["bare", *(["flower"] if name == "lora" and there else []), "kit"]
    runs = [
        measured(peer, name, data, i == 0) for i in range(repeats) for peer in peers
    ]  # judged once: it never varies
    return {peer: [r for r in runs if r["what"] == peer] for peer in peers}


def ratios(results: Results, peer: str, what: str = "seconds") -> list[float]:
    """Peer / kit, one value per repetition."""
    return [p[what] / k[what] for p, k in zip(results[peer], results["kit"])]


def middle(runs: list[dict], what: str) -> float:
    return median(r[what] for r in runs)


def table(results: Results) -> list[str]:
    lines = [
        f"  {'':16}{'seconds':>9}{'examples/s':>12}{'process s':>11}{'accuracy':>10}{'peak MB':>9}"
    ]
    for peer, runs in results.items():
        seconds = middle(runs, "seconds")
        lines.append(
            f"  {peer:16}{seconds:9.2f}{runs[0]['examples'] / seconds:12.0f}"
            f"{middle(runs, 'process_seconds'):11.1f}"
            f"{runs[0]['accuracy']:10.1%}{middle(runs, 'peak_rss_bytes') / 1e6:9.0f}"
        )
    for peer in [p for p in results if p != "kit"]:
        lines.append(
            f"  {peer} / kit: {median(ratios(results, peer)):.1f} in the rounds, "
            f"{median(ratios(results, peer, 'process_seconds')):.1f} for the whole process"
        )
    if results["kit"][0]["flops"]:
        floor = [
            r["flops"] / r["gflops"] / 1e9 / (r["seconds"] - r["start_seconds"])
            for r in results["kit"]
        ]
        lines.append(
            f"  training, of the bfloat16 matrix floor ({middle(results['kit'], 'gflops'):.0f}"
            f" GFLOP/s): {median(floor):.2f}"
        )
    return lines


def curve(runs: list[dict]) -> list[str]:
    """Cost per trained example against the number of clients, medians."""
    groups = {n: [r for r in runs if r["clients"] == n] for n in CLIENTS}
    lines = [f"  {'clients':>8}{'start s':>9}{'ms/example':>12}{'peak MB':>9}"]
    for n, group in groups.items():
        lines.append(
            f"  {n:8,}{middle(group, 'start_seconds'):9.1f}{middle(group, 'ms_per_example'):12.2f}"
            f"{middle(group, 'peak_rss_bytes') / 1e6:9.0f}"
        )
    for what in ("ms_per_example", "peak_rss_bytes"):
        pairs = [
            many[what] / few[what] for few, many in zip(groups[CLIENTS[0]], groups[CLIENTS[-1]])
        ]
        lines.append(f"  {what}, {CLIENTS[-1]:,} clients / {CLIENTS[0]}: {median(pairs):.2f}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default="service_desk")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args.child)
    parts = args.only.split(",")
    if unknown := sorted(set(parts) - set(PARTS)):
        parser.error(f"--only {unknown[0]!r} is not known; choose from: {', '.join(PARTS)}")
    sys.path.insert(0, str(HERE))
    from jobs import JOBS

    results, lines = {}, []
    for part in parts:
        if part in JOBS:
            results[part] = race(part, args.data, args.repeats)
            lines += [
                "",
                (
                    f"{JOBS[part].title}, {JOBS[part].epochs} local epoch(s), {args.repeats}"
                    " repetitions"
                ),
                *table(results[part]),
            ]
        elif part == "clients":
            results[part] = [
                measured("scale", n, args.data) for _ in range(args.repeats) for n in CLIENTS
            ]
            lines += [
                "",
                "1,600 trained examples a round from more and more clients",
                *curve(results[part]),
            ]
        elif part == "wire":
            from wire import table as wire_table

            results[part] = measured("wire", 2 * args.repeats - 1, args.data)
            lines += [
                "",
                "the wire, one LoRA update of 103,373 values, one thread",
                *wire_table(results[part]["rows"]),
            ]
        elif part == "replay":
            from replay import table as replay_table

            results[part] = measured("replay", 4 * args.repeats + 1, args.data)
            lines += [
                "",
                "replay of 100 rounds x 100 clients, medians",
                *replay_table(results[part]["milliseconds"]),
            ]
        elif part == "secure":
            from secure import table as secure_table

            results[part] = measured("secure", args.repeats, args.data)
            lines += [
                "",
                "sums whose terms nobody sees, one thread, medians",
                *secure_table(results[part]),
            ]
        else:
            results[part] = measured("seeds", 5, args.data)
            lines += [
                "",
                "fast - plain, accuracy in points: "
                + ", ".join(f"{p:+.2f}" for p in results[part]["points"])
                + f"; mean {results[part]['mean_points']:+.2f}",
            ]
        print("\n".join(lines[-12:]), file=sys.stderr, flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"{datetime.now():%Y%m%d-%H%M%S}.json"
    path.write_text(
        json.dumps({"data": args.data, "repeats": args.repeats, "results": results}, indent=1)
    )
    print("\n".join([f"data: {args.data}", *lines, "", f"written: {path}"]))


if __name__ == "__main__":
    main()
