#!/usr/bin/env python3
"""Measures Python's own process pools with the work that procpool's benchmarks do.

Prints one JSON object a line: {"name", "n", "seconds", "per_second", ...}. `seconds` is the median of `runs` runs of `n`
operations; `fastest` and `slowest` show the spread. Each measurement runs in an interpreter of its own, in its own process
group, with a time limit: one that hangs becomes {"name", "error"} and costs nothing else. Every answer is compared with the
right one. Standard library only, Python 3.9 or newer.
"""

import argparse
import concurrent.futures
import fnmatch
import json
import multiprocessing
import os
import platform
import signal
import statistics
import subprocess
import sys
import time

MIB = 1 << 20


# What the workers run. Top-level functions, because spawn finds them by name.


def successor(number):
    return number + 1


def echo(value):
    return value


def record(number):
    """A record of six fields, as an application would send it."""
    return {
        "id": number,
        "name": f"record {number}",
        "price": number / 4,
        "active": number % 2 == 0,
        "tags": ["a", "b"],
        "note": None,
    }


class Setup:
    """What one measurement works with: the pools, and how much to do."""

    def __init__(self, workers, quick, method):
        self.workers = workers
        self.quick = quick
        self.context = multiprocessing.get_context(method)

    def count(self, full):
        """A tenth of the work under --quick."""
        return max(1, full // 10) if self.quick else full

    def pool(self):
        return self.context.Pool(self.workers)

    def executor(self):
        return concurrent.futures.ProcessPoolExecutor(self.workers, mp_context=self.context)


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


MEASUREMENTS = {}  # name -> (limit in seconds, function(setup) yielding (n, seconds, extra) for ever)


def measurement(name, limit=60):
    def register(function):
        MEASUREMENTS[name] = (limit, function)
        return function

    return register


def on_pool(setup, n, work, **extra):
    """Times work(pool), for ever, on one warm multiprocessing.Pool."""
    with setup.pool() as pool:
        pool.map(successor, range(100))
        while True:
            yield n, timed(lambda: work(pool)), extra


def on_executor(setup, n, work, **extra):
    """Times work(executor), for ever, on one warm ProcessPoolExecutor."""
    with setup.executor() as executor:
        list(executor.map(successor, range(100)))
        while True:
            yield n, timed(lambda: work(executor)), extra


# Round trips: one small task at a time.


@measurement("Pool.apply")
def pool_apply(setup):
    n = setup.count(10_000)

    def work(pool):
        for number in range(n):
            expect(pool.apply(successor, (number,)) == number + 1, "apply")

    return on_pool(setup, n, work)


@measurement("ProcessPoolExecutor.submit+result")
def executor_submit_result(setup):
    n = setup.count(10_000)

    def work(executor):
        for number in range(n):
            expect(executor.submit(successor, number).result() == number + 1, "submit")

    return on_executor(setup, n, work)


# Streams of tiny tasks. The default chunk size of imap and of Executor.map is 1; the tuned ones show what tuning brings.


@measurement("Pool.imap")
def pool_imap(setup):
    n = setup.count(200_000)
    return on_pool(setup, n, lambda pool: check_sum(pool.imap(successor, range(n)), n), chunksize=1)


@measurement("Pool.imap/chunksize=1000")
def pool_imap_tuned(setup):
    n = setup.count(1_000_000)
    return on_pool(setup, n, lambda pool: check_sum(pool.imap(successor, range(n), 1000), n), chunksize=1000)


@measurement("Pool.imap_unordered")
def pool_imap_unordered(setup):
    n = setup.count(200_000)
    return on_pool(setup, n, lambda pool: check_sum(pool.imap_unordered(successor, range(n)), n), chunksize=1)


@measurement("Pool.imap_unordered/chunksize=1000")
def pool_imap_unordered_tuned(setup):
    n = setup.count(1_000_000)
    work = lambda pool: check_sum(pool.imap_unordered(successor, range(n), 1000), n)
    return on_pool(setup, n, work, chunksize=1000)


@measurement("ProcessPoolExecutor.map", limit=120)
def executor_map(setup):
    n = setup.count(30_000)
    return on_executor(setup, n, lambda executor: check_sum(executor.map(successor, range(n)), n), chunksize=1)


def check_sum(results, n):
    expect(sum(results) == n * (n + 1) // 2, "a wrong sum")


# Whole lists.


@measurement("Pool.map")
def pool_map(setup):
    n = setup.count(1_000_000)
    return on_pool(setup, n, lambda pool: check_sum(pool.map(successor, range(n)), n))


@measurement("ProcessPoolExecutor.map/chunksize=10000")
def executor_map_tuned(setup):
    n = setup.count(1_000_000)
    work = lambda executor: check_sum(executor.map(successor, range(n), chunksize=10_000), n)
    return on_executor(setup, n, work, chunksize=10_000)


@measurement("Pool.map/records")
def pool_map_records(setup):
    n = setup.count(100_000)
    records = [record(number) for number in range(n)]
    return on_pool(setup, n, lambda pool: expect(pool.map(echo, records) == records, "records"))


# Futures.


@measurement("Pool.apply_async")
def pool_apply_async(setup):
    n = setup.count(30_000)

    def work(pool):
        results = [pool.apply_async(successor, (number,)) for number in range(n)]
        check_sum((result.get() for result in results), n)

    return on_pool(setup, n, work)


@measurement("ProcessPoolExecutor.submit", limit=120)
def executor_submit(setup):
    n = setup.count(30_000)

    def work(executor):
        futures = [executor.submit(successor, number) for number in range(n)]
        check_sum((future.result() for future in futures), n)

    return on_executor(setup, n, work)


# Large values, there and back, one at a time.


def pool_echo(size, full):
    def measure(setup):
        n = setup.count(full)
        data = os.urandom(MIB) * (size // MIB)

        def work(pool):
            for _ in range(n):
                expect(pool.apply(echo, (data,)) == data, "echo")

        return on_pool(setup, n, work, payload_bytes=size)

    return measure


def executor_echo(size, full):
    def measure(setup):
        n = setup.count(full)
        data = os.urandom(MIB) * (size // MIB)

        def work(executor):
            for _ in range(n):
                expect(executor.submit(echo, data).result() == data, "echo")

        return on_executor(setup, n, work, payload_bytes=size)

    return measure


for megabytes, times in ((1, 100), (16, 20)):
    measurement(f"Pool.apply/echo={megabytes}MiB")(pool_echo(megabytes * MIB, times))
    measurement(f"ProcessPoolExecutor.submit/echo={megabytes}MiB")(executor_echo(megabytes * MIB, times))


# From nothing to the first result. The interpreter itself is already up, so these flatter Python.


def start(make, first):
    def measure(setup):
        def work():
            pool = make(setup)
            try:
                expect(first(pool) == 2, "the first result")
                return time.perf_counter()
            finally:
                close(pool)

        while True:
            begin = time.perf_counter()
            yield 1, work() - begin, {"start_method": setup.context.get_start_method()}

    return measure


def close(pool):
    if isinstance(pool, concurrent.futures.Executor):
        pool.shutdown()
        return
    pool.terminate()
    pool.join()


for start_method in ("fork", "spawn", "forkserver"):
    if start_method in multiprocessing.get_all_start_methods():
        measurement(f"Pool/start={start_method}")(
            start(lambda setup: setup.pool(), lambda pool: pool.apply(successor, (1,)))
        )
        measurement(f"ProcessPoolExecutor/start={start_method}")(
            start(lambda setup: setup.executor(), lambda executor: executor.submit(successor, 1).result())
        )


def method_of(name):
    """fork where there is one: it starts fastest, and a warm pool is equally fast however it was started."""
    if "/start=" in name:
        return name.rsplit("=", 1)[1]
    return "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"


def measure(name, options):
    """Runs one measurement in this process and returns its report."""
    function = MEASUREMENTS[name][1]
    taken = []
    series = function(Setup(options.workers, options.quick, method_of(name)))
    next(series)  # not counted: it fills caches
    for n, seconds, extra in series:
        taken.append(seconds)
        if len(taken) == options.runs:
            break
    series.close()
    median = statistics.median(taken)
    report = {"name": name, "n": n, "seconds": round(median, 6), "per_second": round(n / median, 1)}
    report.update(
        runs=len(taken), fastest=round(min(taken), 6), slowest=round(max(taken), 6), workers=options.workers, **extra
    )
    report["python"] = platform.python_version()
    return report


def measure_apart(name, options):
    """Runs one measurement in an interpreter of its own and kills all of its processes at the limit."""
    limit = options.limit or MEASUREMENTS[name][0]
    command = [sys.executable, os.path.abspath(__file__), "--here", name]
    command += ["--workers", str(options.workers), "--runs", str(options.runs)]
    command += ["--quick"] if options.quick else []
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        text, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        return {"name": name, "error": f"no result within {limit:g} s"}
    finally:
        kill_group(process)
    if process.returncode != 0:
        return {"name": name, "error": f"exit status {process.returncode}"}
    return json.loads(text)


def kill_group(process):
    if hasattr(os, "killpg"):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass  # all have ended
    else:
        process.kill()
    process.wait()


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the work and three runs: for a smoke test")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this measurement, or pattern; repeatable")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--workers", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--runs", type=int, help="runs, of which the median counts (default 5, with --quick 3)")
    parser.add_argument("--limit", type=float, help="seconds that one measurement may take (default 60 or 120)")
    parser.add_argument("--here", metavar="NAME", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.runs = options.runs or (3 if options.quick else 5)
    return options


def chosen(patterns):
    if not patterns:
        return list(MEASUREMENTS)
    names = [name for name in MEASUREMENTS if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
    if not names:
        sys.exit(f"pool_peer.py: no measurement is called {' or '.join(patterns)}; --list shows the names")
    return names


def main():
    options = parse(sys.argv[1:])
    if options.here:
        print(json.dumps(measure(options.here, options)))
        return 0
    names = chosen(options.only)
    if options.list:
        print("\n".join(names))
        return 0
    failed = False
    for name in names:
        report = measure_apart(name, options)
        failed = failed or "error" in report
        print(json.dumps(report), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
