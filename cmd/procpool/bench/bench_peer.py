"""What procpool bench asks of Python's own process pools.

Reads one JSON object a line, {"work", "pool", "n", ...}, does that work and answers with one line: {"seconds"} or {"error"}. Pools are made when they
are first asked for, and stay warm. Standard library only, Python 3.9 or newer.
"""

import concurrent.futures
import json
import multiprocessing
import os
import platform
import sys
import time


# What the workers run. Top-level functions, because spawn finds them by name.


def successor(number):
    return number + 1


def echo(value):
    return value


def sleep(seconds):
    start = time.perf_counter()
    time.sleep(seconds)
    return time.perf_counter() - start


def sleep_item(item):
    return item[0], sleep(item[1])


def private_bytes(_):
    """Memory that this process shares with no other; 0 where the system does not tell."""
    try:
        with open("/proc/self/smaps_rollup") as lines:
            return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
    except OSError:
        return 0


def record(number):
    return {"ID": number, "Name": f"record {number}", "Price": number / 4, "Active": number % 2 == 0, "Tags": ["a", "b"], "Note": None}


def context():
    """fork where there is one: it starts fastest, and a warm pool is equally fast however it was started."""
    return multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn")


class Peer:
    def __init__(self, workers):
        self.workers = workers
        self.pools = {}
        self.inputs = {}

    def pool(self, kind):
        if kind not in self.pools:
            if kind == "pool":
                self.pools[kind] = context().Pool(self.workers)
            else:
                self.pools[kind] = concurrent.futures.ProcessPoolExecutor(self.workers, mp_context=context())
            list(self.pools[kind].map(successor, range(100)))
        return self.pools[kind]

    def input(self, key, make):
        """Keeps the last input of each kind of work: to make it is not what is measured."""
        kind = key[0]
        if self.inputs.get(kind, (None, None))[0] != key:
            self.inputs[kind] = key, make()
        return self.inputs[kind][1]

    def roundtrip(self, order):
        pool, n = self.pool(order["pool"]), order["n"]
        start = time.perf_counter()
        if order["pool"] == "pool":
            for number in range(n):
                pool.apply(successor, (number,))
        else:
            for number in range(n):
                pool.submit(successor, number).result()
        return time.perf_counter() - start

    def echo(self, order):
        pool, n = self.pool(order["pool"]), order["n"]
        data = self.input(("echo", order["size"]), lambda: os.urandom(order["size"]))
        start = time.perf_counter()
        for _ in range(n):
            back = pool.apply(echo, (data,)) if order["pool"] == "pool" else pool.submit(echo, data).result()
        seconds = time.perf_counter() - start
        if back != data:
            raise AssertionError("a wrong answer")
        return seconds

    def map(self, order):
        return self.mapped(order, successor, range(order["n"]), order["chunk"])

    def records(self, order):
        return self.mapped(order, echo, self.input(("records", order["n"]), lambda: [record(i) for i in range(order["n"])]), 0)

    def mapped(self, order, function, items, chunk):
        pool = self.pool(order["pool"])
        start = time.perf_counter()
        if order["pool"] == "pool":
            results = pool.map(function, items, chunk or None)
        else:
            results = list(pool.map(function, items, chunksize=chunk or 1))
        seconds = time.perf_counter() - start
        if len(results) != len(items):
            raise AssertionError("a wrong answer")
        return seconds

    def skew(self, order):
        """Returns how much longer it took than a perfect queue would."""
        pool, took = self.pool("pool"), {}
        start = time.perf_counter()
        for index, seconds in pool.imap_unordered(sleep_item, enumerate(order["tasks"])):
            took[index] = seconds
        wall = time.perf_counter() - start
        free = [0.0] * self.workers
        for index in range(len(took)):
            free[free.index(min(free))] += took[index]
        return order["n"] * wall / max(free)

    def start(self, order):
        start = time.perf_counter()
        for _ in range(order["n"]):
            with multiprocessing.get_context(order["pool"]).Pool(1) as pool:
                pool.apply(successor, (1,))
            pool.join()
        return time.perf_counter() - start

    def memory(self, order):
        with multiprocessing.get_context(order["pool"]).Pool(1) as pool:
            pool.apply(successor, (1,))
            return pool.apply(private_bytes, (0,))


def main():
    peer = Peer(int(sys.argv[1]))
    print(json.dumps({"version": platform.python_version()}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = {"seconds": getattr(peer, order["work"])(order)}
        except Exception as e:
            answer = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
