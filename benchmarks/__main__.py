"""``python -m benchmarks``: see ``--help``."""
import argparse
import json
import os
import time
from pathlib import Path

from benchmarks.stages import measure_end_to_end, measure_stages
from benchmarks.workloads import WORKLOADS
from benchmarks.world import BenchmarkWorld
from sandbox.world import PROJECT

def main():
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=["stages", "whole"])
    p.add_argument("--rows", type=int, default=100_000)
    p.add_argument("--workloads", default="profiles,customers,products,orders")
    p.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    p.add_argument("--latency", type=float, default=0)
    p.add_argument("--folder", type=Path, default=PROJECT / ".benchmarks")
    a = p.parse_args()
    with BenchmarkWorld(a.folder) as world:
        for name in a.workloads.split(","):
            w = WORKLOADS[name]; n = w.rows(a.rows)
            t = time.time(); world.replicas.replica(w, n); s = time.time() - t
            if s > 1: print(f"seeded {name} {n} in {s:.1f} s", flush=True)
            if a.what == "stages":
                r = measure_stages(world, w, n, latency_ms=a.latency)
                for k, v in r["stages"].items():
                    print(f"{name:<10}{n:>9,} {k:<10}{n / v['seconds']:>10,.0f}/s  cpu {n / v['cpu_seconds']:>10,.0f}/s  peak {v['peak_mb']:.0f} MB (imports {v['start_mb']:.0f})  {v['tasks']} tasks", flush=True)
            else:
                for again in (False, True):
                    r = measure_end_to_end(world, w, n, processes=a.processes, latency_ms=a.latency, again=again)
                    parts = " ".join(f"{k} {max(t['ended_at'] for t in v) - min(t['started_at'] for t in v):.2f}s" for k, v in r["tasks"].items() if v)
                    print(f"{name:<10}{n:>9,} {'again' if again else 'first'} {n / r['seconds']:>10,.0f}/s in the work itself ({r['seconds']:.2f} s), wall {r['wall_seconds']:.2f} s, cpu {r['cpu_seconds']:.1f} s, tree {r['tree_peak_mb']:.0f} MB; {parts}", flush=True)
main() if __name__ == "__main__" else None
