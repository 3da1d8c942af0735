#!/usr/bin/env python3
"""Does fifteen things to Python's own process pools that go wrong in real programs, and tells what the caller saw.

Prints one JSON object a line for each fault and pool:

    fault, pool   what was done, and to which pool
    saw, text     what the caller of the faulty task got: "result", "nothing" (no answer in time, as good as a hang), or the
                  class and the text of an exception
    note          what else there is to say, where the fault is of a special kind
    neighbours    tasks without fault in the same pool: one was running when it happened, the others were waiting
    answered      how many of these got their result
    workers       how many workers served afterwards, proven by tasks that meet; null where there is no afterwards
    ends          whether the pool could then be ended as a `with` statement does it
    seconds       until the caller saw what it saw

Each runs in an interpreter of its own, in its own process group, which is killed at a hard limit. The pools have two workers and
are used as their documentation says, with the default start method. Standard library only, Python 3.9 or newer, Linux.
"""

import argparse
import concurrent.futures
import ctypes
import fnmatch
import json
import multiprocessing
import os
import pathlib
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time

WORKERS = 2
NEIGHBOURS = 4
BATCH = 100
PATIENCE = 5  # seconds without an answer that count as a hang
LIMIT = 1  # seconds that a caller with a limit gives a task
ATTEMPTS = 3  # of a caller that tries again
MEMORY = 256 << 20  # what a worker may have where memory is limited
HARD_LIMIT = 60  # seconds for one fault and pool
INPUT = "a line for the main program\n"


# What the workers run: top-level functions, as spawn and forkserver would want them.


def neighbour(directory, number):
    """A task without fault. It tells the faulty one that it has begun, and takes a while."""
    pathlib.Path(directory, "begun").touch()
    time.sleep(0.3)
    return number


def wait_for(path):
    """Waits until path is there, for the patience at most."""
    end = time.monotonic() + PATIENCE
    while not path.exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True


def meet(directory, me, other):
    """Returns the worker's pid if another task is running at the same time, elsewhere; else None."""
    pathlib.Path(directory, me).touch()
    return os.getpid() if wait_for(pathlib.Path(directory, other)) else None


def misbehave(directory, how):
    """Does what its second argument says, once a neighbour is running."""
    wait_for(pathlib.Path(directory, "begun"))
    return MISDEEDS[how]()


def tiny(item):
    """One of many small tasks, of which one kills its worker."""
    directory, number = item
    if number == BATCH // 2:
        misbehave(directory, "kill")
    return number


def signal_self(number):
    os.kill(os.getpid(), number)
    time.sleep(1000)


def spin():
    while True:
        pass


class Refusal(Exception):
    """An exception with two arguments of its own, as many are written. Its pickle cannot be loaded: that calls Refusal(text)."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def hoard():
    """Allocates without end, and uses what it gets."""
    hoarded = []
    while True:
        hoarded.append(b"x" * (16 << 20))


def talk():
    """Prints and reads the standard input: as Python code does, and below Python as C code does."""
    for number in range(BATCH):
        print("line", number, flush=True)
    os.write(1, b"line from below\n")
    return sys.stdin.read(1 << 10) + os.read(0, 1 << 10).decode()


MISDEEDS = {
    "kill": lambda: signal_self(signal.SIGKILL),
    "exit-0": lambda: os._exit(0),  # as exit in C; sys.exit would only raise an exception
    "exit-7": lambda: os._exit(7),
    "segfault": lambda: ctypes.string_at(0),
    "stop": lambda: signal_self(signal.SIGSTOP),
    "endless": spin,
    "encode-result": lambda: lambda: None,  # a function without a name cannot be pickled
    "decode-result": lambda: Refusal(7, "no"),
    "memory": hoard,
    "talk": talk,
    "poison": lambda: signal_self(signal.SIGKILL),
}


# Initializers.


def limit_memory(limit):
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def fail_to_start(directory):
    with open(pathlib.Path(directory, "starts"), "a") as starts:
        starts.write(f"{os.getpid()}\n")
    raise RuntimeError("no licence found")


# The two pools, by the same few methods. Only what their documentation offers is used.


class Pool:
    name = "multiprocessing.Pool"

    def __init__(self, initializer=None, *arguments):
        self.pool = multiprocessing.Pool(WORKERS, initializer, arguments)

    def submit(self, function, *arguments):
        result = self.pool.apply_async(function, arguments)
        return lambda timeout: result.get(timeout)

    def in_batches(self, function, items):
        return self.pool.map_async(function, items, chunksize=BATCH).get(PATIENCE)

    def end(self):
        self.pool.__exit__(None, None, None)


class Executor:
    name = "ProcessPoolExecutor"

    def __init__(self, initializer=None, *arguments):
        self.executor = concurrent.futures.ProcessPoolExecutor(WORKERS, initializer=initializer, initargs=arguments)

    def submit(self, function, *arguments):
        future = self.executor.submit(function, *arguments)
        return lambda timeout: future.result(timeout)

    def in_batches(self, function, items):
        return self.executor.map(function, items, timeout=PATIENCE, chunksize=BATCH)

    def end(self):
        self.executor.__exit__(None, None, None)


POOLS = {make.name: make for make in (Pool, Executor)}
TIMEOUTS = (multiprocessing.TimeoutError, concurrent.futures.TimeoutError)


def got(get, *arguments):
    """Returns what a caller sees, as it is reported, and the value that it got."""
    begin = time.monotonic()
    value = None
    try:
        value = get(*arguments)
        seen = {"saw": "result"}
    except Exception as error:
        seen = {"saw": type(error).__name__, "text": str(error)}
        if isinstance(error, TIMEOUTS) and time.monotonic() - begin > 0.9 * PATIENCE:
            seen = {"saw": "nothing"}  # the limit was ours, to find the hang
    return dict(seen, seconds=time.monotonic() - begin), value


def submitted(pool, function, *arguments):
    """Submits a task. Where that fails, getting its result fails in the same way."""
    try:
        return pool.submit(function, *arguments)
    except Exception as raised:
        error = raised  # the name of the except clause does not outlive it

        def fail(_):
            raise error

        return fail


def neighbours(pool, directory):
    return [submitted(pool, neighbour, directory, number) for number in range(NEIGHBOURS)]


def answered(waiting):
    """Counts the neighbours that get their results within the patience, which is for all of them together."""
    end = time.monotonic() + PATIENCE
    return sum(got(get, max(0, end - time.monotonic()))[1] == number for number, get in enumerate(waiting))


def serving(pool, directory):
    """Counts the workers that serve: by a task, and by two that return only if both are running."""
    if got(submitted(pool, neighbour, directory, 7), PATIENCE)[1] != 7:
        return 0
    pair = [submitted(pool, meet, directory, *names) for names in (("a", "b"), ("b", "a"))]
    return WORKERS if None not in [got(get, 2 * PATIENCE)[1] for get in pair] else 1


def ends(pool):
    ending = threading.Thread(target=pool.end, daemon=True)
    ending.start()
    ending.join(PATIENCE)
    return not ending.is_alive()


# The faults. Each function takes the class of a pool and an empty directory, and returns a report.


def aftermath(pool, directory, seen, waiting):
    """Completes a report with what became of the others."""
    report = dict(seen, neighbours=len(waiting), answered=answered(waiting))
    report["workers"] = serving(pool, directory)
    report["ends"] = ends(pool)
    return report


def misdeed(how, timeout=PATIENCE, initializer=()):
    def fault(make, directory):
        pool = make(*initializer)
        faulty = submitted(pool, misbehave, directory, how)
        waiting = neighbours(pool, directory)
        seen, _ = got(faulty, timeout)
        return aftermath(pool, directory, seen, waiting)

    return fault


def batch(make, directory):
    """A hundred tiny tasks in one chunk; the one in the middle kills its worker."""
    pool = make()
    results = []

    def collect():
        for result in pool.in_batches(tiny, [(directory, number) for number in range(BATCH)]):
            results.append(result)

    collecting = concurrent.futures.ThreadPoolExecutor(1).submit(lambda: got(collect))
    time.sleep(0.1)  # the chunk is with a worker; the neighbour for which it waits comes now
    waiting = neighbours(pool, directory)
    seen, _ = collecting.result()
    return aftermath(pool, directory, dict(seen, note=f"{len(results)} of {BATCH} results"), waiting)


def encode_argument(make, directory):
    pool = make()
    faulty = submitted(pool, print, lambda: None)
    waiting = neighbours(pool, directory)
    seen, _ = got(faulty, PATIENCE)
    return aftermath(pool, directory, seen, waiting)


def initializer(make, directory):
    pool = make(fail_to_start, directory)
    seen, _ = got(submitted(pool, neighbour, directory, 0), PATIENCE)
    starts = pathlib.Path(directory, "starts").read_text().count("\n")
    report = dict(seen, note=f"workers started: {starts}", neighbours=0, answered=0, workers=None)
    report["ends"] = ends(pool)
    return report


def main_killed(make, directory):
    """The main program is killed while one worker is busy and the other one idle."""
    command = [sys.executable, os.path.abspath(__file__), "--here", "owner", "--pool", make.name, "--directory", directory]
    owner = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    told = pathlib.Path(directory, "owner.json")
    wait_for(told)
    owner.kill()
    owner.wait()
    begin = time.monotonic()
    pids = json.loads(told.read_text())
    left = sum(map(lives, pids))
    while left and time.monotonic() - begin < PATIENCE:
        time.sleep(0.01)
        left = sum(map(lives, pids))
    note = f"{left} of {WORKERS} workers live on"
    seconds = time.monotonic() - begin
    return {"saw": "", "note": note, "seconds": seconds, "neighbours": 0, "answered": 0, "workers": None, "ends": left == 0}


def own(make, directory):
    """Is the main program that is killed."""
    pool = make()
    pair = [pool.submit(meet, directory, *names) for names in (("a", "b"), ("b", "a"))]
    pids = [get(PATIENCE) for get in pair]
    pool.submit(misbehave, directory, "endless")
    pathlib.Path(directory, "begun").touch()
    time.sleep(0.5)
    report(directory, "owner.json", pids)
    time.sleep(1000)


def lives(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def talks(make, directory):
    """A task prints to standard output, which is a file, and reads standard input, which is the main program's."""
    out = os.open(pathlib.Path(directory, "out"), os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    pool = make()
    faulty = submitted(pool, misbehave, directory, "talk")
    waiting = neighbours(pool, directory)
    seen, taken = got(faulty, PATIENCE)
    result = aftermath(pool, directory, seen, waiting)
    notes = []
    if pathlib.Path(directory, "out").read_text().count("line") != BATCH + 1:
        notes.append("lines lost")
    if taken or sys.stdin.read() != INPUT:
        notes.append("it takes the main program's input")
    return dict(result, note=", ".join(notes))


def poison(make, directory):
    """A caller tries again, with a new pool where the old one is broken, all that has not been answered."""
    left = list(range(NEIGHBOURS))
    for attempt in range(1, ATTEMPTS + 1):
        place = pathlib.Path(directory, str(attempt))
        place.mkdir()
        pool = make()
        faulty = submitted(pool, misbehave, str(place), "poison")
        waiting = [submitted(pool, neighbour, str(place), number) for number in left]
        seen, _ = got(faulty, PATIENCE)
        if seen["saw"] != "BrokenProcessPool":
            break
        if attempt < ATTEMPTS:
            left = [number for number, get in zip(left, waiting) if got(get, PATIENCE)[1] != number]
            pool.end()
    seen["note"] = f"in {attempt} pools" if attempt > 1 else ""
    before = NEIGHBOURS - len(left)
    result = aftermath(pool, str(place), seen, waiting)
    return dict(result, neighbours=NEIGHBOURS, answered=result["answered"] + before)


FAULTS = {
    "kill": misdeed("kill"),
    "exit-0": misdeed("exit-0"),
    "exit-7": misdeed("exit-7"),
    "segfault": misdeed("segfault"),
    "batch": batch,
    "stop": misdeed("stop"),
    "endless": misdeed("endless", LIMIT),
    "encode-result": misdeed("encode-result"),
    "encode-argument": encode_argument,
    "decode-result": misdeed("decode-result"),
    "initializer": initializer,
    "memory": misdeed("memory", initializer=(limit_memory, MEMORY)),
    "main-killed": main_killed,
    "talk": talks,
    "poison": poison,
}


def report(directory, name, value):
    """Writes all of a file or nothing."""
    draft = pathlib.Path(directory, name + ".draft")
    draft.write_text(json.dumps(value))
    draft.rename(pathlib.Path(directory, name))


def here(options):
    """Runs one fault in this process, which then ends whatever is still running or stuck in it."""
    make = POOLS[options.pool]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash that was asked for leaves no file
    if options.here == "owner":
        own(make, options.directory)
    report(options.directory, "report.json", FAULTS[options.here](make, options.directory))
    os._exit(0)


RUNNING = set()  # the processes that run a fault now


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # all have ended


def apart(fault, pool):
    """Runs one fault in an interpreter of its own and kills all of its processes in the end."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, os.path.abspath(__file__), "--here", fault, "--pool", pool, "--directory", directory]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        RUNNING.add(process)
        process.stdin.write(INPUT.encode())
        process.stdin.close()
        said = []
        reader = threading.Thread(target=lambda: said.extend(process.stderr), daemon=True)
        reader.start()
        try:
            process.wait(HARD_LIMIT)
        except subprocess.TimeoutExpired:
            pass
        kill_group(process)
        process.wait()
        RUNNING.discard(process)
        reader.join(PATIENCE)
        line = {"fault": fault, "pool": pool}
        try:
            line.update(json.loads(pathlib.Path(directory, "report.json").read_text()))
        except FileNotFoundError:
            text = b"".join(said).decode(errors="replace")
            line.update(saw="nothing", error=f"no report, exit status {process.returncode}: {text[-500:]}")
    line["seconds"] = round(line.get("seconds", HARD_LIMIT), 3)
    return dict(line, python=platform.python_version())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", metavar="FAULT", help="only this fault, or pattern; repeatable")
    parser.add_argument("--pool", choices=POOLS, help="only this pool")
    parser.add_argument("--jobs", type=int, default=3, help="how many at a time (default 3; they mostly wait)")
    parser.add_argument("--list", action="store_true", help="print the names of the faults and stop")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    parser.add_argument("--directory", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        here(options)
    faults = [name for name in FAULTS if any(fnmatch.fnmatchcase(name, only) for only in options.only or ["*"])]
    if options.list:
        print("\n".join(faults))
        return 0
    pairs = [(fault, pool) for fault in faults for pool in POOLS if options.pool in (None, pool)]
    failed = not pairs
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    jobs = concurrent.futures.ThreadPoolExecutor(options.jobs)
    try:
        for line in jobs.map(lambda pair: apart(*pair), pairs):
            failed = failed or "error" in line
            print(json.dumps(line), flush=True)
    finally:
        jobs.shutdown(wait=False, cancel_futures=True)
        for process in list(RUNNING):
            kill_group(process)  # interrupted: what is stuck or spins would go on without us
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
