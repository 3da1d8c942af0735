#!/usr/bin/env python3
"""Has Python's process pools do the work of `make bench-peers`, one round for each request, so that rounds can alternate with procpool's.

Reads one JSON object a line from standard input and answers each with one:

    {"do": "map", "n": 1000000}  ->  {"seconds": 0.41}
    anything that fails          ->  {"error": "..."}

    do                          n operations of
    version                     nothing: the answer is {"version": "3.11.7"}
    apply                       Pool.apply
    imap, imap_unordered        the same, with their default chunksize, 1
    map, records                Pool.map of integers; of dictionaries of six fields
    apply_async                 Pool.apply_async, all submitted before the first is waited for
    echo, executor_echo         Pool.apply, ProcessPoolExecutor.submit + result, of "size" bytes there and back
    start                       a new Pool by "method" to its first result; its end is not counted

A pool is made and warmed up when it is first asked for, by fork, and kept. The collector runs before each round and not in it: Python
gets its garbage collected for nothing. Nothing is imported at the top that the workers do not need, because spawn imports it again.
Standard library only, Python 3.9 or newer.
"""

import collections
import multiprocessing
import sys
import time

WORKERS = 2
pools = {}


# What the workers run. Top-level functions, because spawn finds them by name.


def successor(number):
    return number + 1


def echo(value):
    return value


def record(number):
    return {
        "id": number,
        "name": f"record {number}",
        "price": number / 4,
        "active": number % 2 == 0,
        "tags": ["a", "b"],
        "note": None,
    }


def pool():
    if "pool" not in pools:
        pools["pool"] = multiprocessing.get_context("fork").Pool(WORKERS)
        pools["pool"].map(successor, range(100))
    return pools["pool"]


def executor():
    if "executor" not in pools:
        import concurrent.futures

        context = multiprocessing.get_context("fork")
        pools["executor"] = concurrent.futures.ProcessPoolExecutor(WORKERS, mp_context=context)
        list(pools["executor"].map(successor, range(100)))
    return pools["executor"]


def expect(condition, what):
    if not condition:
        raise AssertionError(f"a wrong answer from {what}")


# One function for each work: it prepares, and returns what is to be timed.


def apply(request):
    p, n = pool(), request["n"]

    def work():
        for number in range(n):
            p.apply(successor, (number,))

    return work


def imap(request):
    return consume(pool().imap, request["n"])


def imap_unordered(request):
    return consume(pool().imap_unordered, request["n"])


def consume(method, n):
    def work():
        last = collections.deque(method(successor, range(n)), maxlen=1)  # the fastest way to consume
        expect(n == 0 or 1 <= last[0] <= n, "imap")

    return work


def map_numbers(request):
    p, n = pool(), request["n"]
    numbers = list(range(n))
    return lambda: expect(p.map(successor, numbers)[-1] == n, "map")


def map_records(request):
    p, n = pool(), request["n"]
    records = [record(number) for number in range(n)]
    return lambda: expect(p.map(echo, records)[-1] == records[-1], "map")


def apply_async(request):
    p, n = pool(), request["n"]

    def work():
        results = [p.apply_async(successor, (number,)) for number in range(n)]
        for number, result in enumerate(results):
            expect(result.get() == number + 1, "apply_async")

    return work


def pool_echo(request):
    p, data = pool(), bytes(request["size"])

    def work():
        for _ in range(request["n"]):
            expect(len(p.apply(echo, (data,))) == len(data), "echo")

    return work


def executor_echo(request):
    e, data = executor(), bytes(request["size"])

    def work():
        for _ in range(request["n"]):
            expect(len(e.submit(echo, data).result()) == len(data), "echo")

    return work


WORKS = {
    "apply": apply,
    "imap": imap,
    "imap_unordered": imap_unordered,
    "map": map_numbers,
    "records": map_records,
    "apply_async": apply_async,
    "echo": pool_echo,
    "executor_echo": executor_echo,
}


def start(method):
    context = multiprocessing.get_context(method)
    begin = time.perf_counter()
    p = context.Pool(WORKERS)
    expect(p.apply(successor, (1,)) == 2, "start")
    seconds = time.perf_counter() - begin
    p.terminate()
    p.join()
    return seconds


def answer(request):
    import gc
    import platform

    if request["do"] == "version":
        return {"version": platform.python_version()}
    if request["do"] == "start":
        return {"seconds": start(request["method"])}
    work = WORKS[request["do"]](request)
    gc.collect()
    gc.disable()
    begin = time.perf_counter()
    work()
    seconds = time.perf_counter() - begin
    gc.enable()
    return {"seconds": seconds}


def main():
    import json

    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:  # whatever it is, the one who asked wants to know
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)
    for p in pools.values():
        if hasattr(p, "terminate"):
            p.terminate()
            p.join()
        else:
            p.shutdown()


if __name__ == "__main__":
    main()
