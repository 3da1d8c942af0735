"""A procpool worker in Python, written from `go doc ./wire` alone: the standard library and a tiny msgpack.

    p, err := pool.New(ctx, pool.WithCommand("python3", "testdata/worker.py"))
    s, err := pool.Call(ctx, p, worker.Named[string, string]("upper"), "hello")

To serve functions of your own, put them into FUNCTIONS. What they print goes to the pool's stderr writer.
"""
import os, queue, struct, sys, threading, time, zlib

FUNCTIONS = {
    "upper": lambda s: s.upper(),
    "add": lambda pair: pair[0] + pair[1],
    "echo": lambda value: value,
    "fail": lambda text: int(text),
    "die": lambda code: os._exit(code),
    "sleep": lambda seconds: time.sleep(seconds),
    "pid": lambda _: os.getpid(),
    "say": lambda text: print(text, flush=True),
}
HELLO, RESULTS, STARTED, RECALLED, BEAT = 1, 2, 3, 4, 7  # kinds, by number
WELCOME, TASKS, CANCEL, RECALL, STOP, PING = 16, 17, 18, 19, 20, 21
VALUE, FAILED, UNENCODABLE, UNDECODABLE, UNKNOWN = 0, 1, 3, 4, 5


def pack(v):
    """Encodes a value as msgpack, always in the widest form: short forms are a courtesy, not a duty."""
    if v is None: return b"\xc0"
    if isinstance(v, bool): return b"\xc3" if v else b"\xc2"
    if isinstance(v, int): return struct.pack(">Bq", 0xD3, v) if v < 1 << 63 else struct.pack(">BQ", 0xCF, v)
    if isinstance(v, float): return struct.pack(">Bd", 0xCB, v)
    if isinstance(v, str): return struct.pack(">BI", 0xDB, len(v.encode())) + v.encode()
    if isinstance(v, (bytes, bytearray)): return struct.pack(">BI", 0xC6, len(v)) + v
    if isinstance(v, (list, tuple)): return struct.pack(">BI", 0xDD, len(v)) + b"".join(map(pack, v))
    if isinstance(v, dict): return struct.pack(">BI", 0xDF, len(v)) + b"".join(pack(k) + pack(x) for k, x in v.items())
    raise TypeError(f"a {type(v).__name__} cannot be encoded")


NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
COUNTS = {0xC4: ("bin", ">B"), 0xC5: ("bin", ">H"), 0xC6: ("bin", ">I"), 0xD9: ("str", ">B"), 0xDA: ("str", ">H"),
          0xDB: ("str", ">I"), 0xDC: ("array", ">H"), 0xDD: ("array", ">I"), 0xDE: ("map", ">H"), 0xDF: ("map", ">I")}


def unpack(b, at=0):
    """Decodes the value at an offset and returns it with the offset behind it."""
    c, at = b[at], at + 1
    if c < 0x80: return c, at
    if c >= 0xE0: return c - 256, at
    if c in (0xC0, 0xC2, 0xC3): return {0xC0: None, 0xC2: False, 0xC3: True}[c], at
    if c in NUMBERS: return struct.unpack_from(NUMBERS[c], b, at)[0], at + struct.calcsize(NUMBERS[c])
    if c < 0x90: kind, n = "map", c & 15
    elif c < 0xA0: kind, n = "array", c & 15
    elif c < 0xC0: kind, n = "str", c & 31
    else:
        kind, form = COUNTS[c]
        n, at = struct.unpack_from(form, b, at)[0], at + struct.calcsize(form)
    if kind in ("bin", "str"):
        return (b[at:at + n] if kind == "bin" else b[at:at + n].decode()), at + n
    items = []
    for _ in range(n * (2 if kind == "map" else 1)):
        item, at = unpack(b, at)
        items.append(item)
    return (dict(zip(items[::2], items[1::2])) if kind == "map" else items), at


def take_wire():
    """Moves the wire off descriptors 0 and 1, so that nothing can print to it or read from it."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", 0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return source, sink


def read_frame(source):
    head = source.read(32)
    if len(head) < 32:
        os._exit(1)  # the parent is gone
    magic, version, kind, count, batch, length, arg, crc = struct.unpack(">HBBIQQII", head)
    if magic != 0xC170 or version != 1 or crc != zlib.crc32(head[:28]):
        os._exit(70)
    return kind, count, batch, arg, source.read(length)


def frame(kind, payload=b"", count=0, batch=0, arg=0):
    head = struct.pack(">HBBIQQI", 0xC170, 1, kind, count, batch, len(payload), arg)
    return head + struct.pack(">I", zlib.crc32(head)) + payload


def run(name, argument):
    """Runs one task and returns its outcome and encoded value."""
    if name not in FUNCTIONS:
        return UNKNOWN, pack({"msg": f"no function {name} here"})
    stage = UNDECODABLE
    try:
        value, stage = unpack(argument)[0], FAILED
        result, stage = FUNCTIONS[name](value), UNENCODABLE
        return VALUE, pack(result)
    except Exception as e:
        return stage, pack({"type": type(e).__name__, "msg": str(e)})


def main():
    cookie = os.environ["PROCPOOL_COOKIE"].encode()
    for name in [n for n in os.environ if n.startswith("PROCPOOL_")]:
        del os.environ[name]
    source, sink = take_wire()
    lock, batches, limits = threading.Lock(), queue.Queue(), {}  # limits: batch -> [started, limit]

    def send(data):
        with lock:
            sink.write(data)

    send(cookie + frame(HELLO, pack({"version": 1, "pid": os.getpid(), "functions": sorted(FUNCTIONS), "spare": True})))

    def read():  # answers while a task runs
        while True:
            kind, count, batch, arg, payload = read_frame(source)
            if kind == TASKS:
                limits[batch] = [0, count]
                batches.put((batch, payload))
            elif kind == RECALL:
                with lock:
                    state = limits.get(batch, [0, 0])
                    state[1] = min(state[1], max(state[0], arg))
                send(frame(RECALLED, batch=batch, arg=state[1]))
            elif kind == PING:
                send(frame(BEAT))
            elif kind == STOP:
                batches.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (work := batches.get()) is not None:
        batch, payload = work
        head, at = unpack(payload)
        for offset in range(limits[batch][1]):
            with lock:
                if offset >= limits[batch][1]:
                    break
                limits[batch][0] = offset + 1
            length, at = unpack(payload, at)
            send(frame(STARTED, batch=batch, arg=offset))
            began = time.monotonic_ns()
            outcome, value = run(head[0], payload[at:at + length])
            at += length
            items = bytes([outcome]) + pack(len(value)) + value
            send(frame(RESULTS, pack([time.monotonic_ns() - began, 0]) + items, 1, batch, offset))
        del limits[batch]
    os._exit(0)


main()
