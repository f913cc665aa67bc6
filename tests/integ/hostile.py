#!/usr/bin/env python3
"""Peers of a broker that have no manners. Used by hostile.bats.

usage: hostile.py garbage|roles|lies|floods URL   each asserts what doc/PROTOCOL.md promises

(needs python3-zmq, python3-msgpack)
"""
import os, socket, struct, sys, time
import msgpack, zmq

HELLO, WELCOME, PING, PONG, ACK, ERROR, BYE = range(1, 8)
OPEN, SPEC, ROWS, WAIT, QUERY, OPENED, RESULTS, END, REPLY = 16, 17, 18, 25, 26, 32, 33, 35, 36
CODES = "ok malformed unsupported forbidden no_session unknown conflict busy".split()
STOP = 9
CLIENT, WORKER = 1, 2
U64 = 2**64 - 1
context = zmq.Context()


def header(kind, fields, seq=0, ack=0):
    return struct.pack(">4BBHBQBQ", 0xd7, 1, kind, 0, 0xdc, 2 + len(fields), 0xcf, seq, 0xcf, ack) + \
        b"".join(map(msgpack.packb, fields))


class Peer:
    def __init__(self, url, role=None):
        self.s = context.socket(zmq.DEALER)
        self.s.linger = self.s.sndhwm = 0
        self.s.connect(url)
        self.sent = self.received = 0
        if role:
            self.raw(header(HELLO, [1, 1, 7, role, 0, 0, b"bad", b"host", b"1", 1, 1]))
            assert self.get(10)[0] == WELCOME

    def raw(self, *frames):
        self.s.send_multipart(frames)

    def send(self, kind, fields, *body):
        self.sent += kind >= OPEN
        self.raw(header(kind, fields, self.sent if kind >= OPEN else 0, self.received), *body)

    def get(self, timeout=0.3):
        if not self.s.poll(int(timeout * 1000)):
            return None
        head = self.s.recv_multipart()[0]
        seq, _, *fields = msgpack.unpackb(head[4:], raw=True)
        self.received = max(self.received, seq)
        return head[2], fields

    def all(self, timeout=0.3):
        """What comes until nothing does for so long. The broker's pings alone would never end."""
        until = time.time() + 60
        while m := self.get(timeout):
            assert time.time() < until, "the answer does not come"
            yield m

    def until(self, *kinds):
        """The fields of the next message of one of the kinds."""
        for kind, fields in self.all(10):
            if kind in kinds:
                return fields
        raise AssertionError("no answer of kind %s" % (kinds,))

    def error(self):
        return CODES[self.until(ERROR)[0]]


def is_served(url):
    """Somebody who behaves is answered at once."""
    p, began = Peer(url, CLIENT), time.time()
    p.send(QUERY, [1, 0])
    assert p.until(REPLY)[1] == 0
    assert time.time() - began < 20
    p.s.close()


def plain_socket(url):
    if url.startswith("ipc:"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(url[6:])
        return s
    host, port = url[6:].rsplit(":", 1)
    return socket.create_connection((host, int(port)))


def garbage(url):
    """What is no ZMTP, and ZMTP that ends in the middle; connections that say nothing."""
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\0NULL" + bytes(48)
    texts = [b"GET / HTTP/1.1\r\n\r\n" * 9, os.urandom(400), greeting[:11], greeting + os.urandom(99), b"\1\0" + os.urandom(9), b""]
    held = [plain_socket(url) for _ in range(300)]
    for i, s in enumerate(held):
        try:
            s.sendall(texts[i % len(texts)])
        except OSError:
            pass
    is_served(url)
    for s in held:
        s.close()
    for frames in ([b""] * 3, [b"a"] * 40, [b"\xd7\1\3\0" + os.urandom(40000)], [header(PING, [1]), b"x"]):
        p = Peer(url, CLIENT)
        p.raw(*frames)
        assert p.error() == "malformed"
    for bomb in (b"\xdd\xff\xff\xff\xff", b"\xdd\0\x10\0\0" * 30, b"\x91" * 30000, b"\xc6\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc1"):
        p = Peer(url, CLIENT)
        p.raw(b"\xd7\1\3\0" + bomb)
        p.raw(header(PING, [])[:-1] + bomb)
        assert p.error() == p.error() == "malformed"
    is_served(url)


def roles(url):
    """Every number of a kind, before HELLO and from either role."""
    for role in (None, CLIENT, WORKER):
        for kind in range(2, 256):
            if kind == STOP and role == CLIENT:
                continue  # it may, and then nobody is there
            if kind % 8 == 2:
                p = Peer(url, role)
            p.raw(header(kind, [], 0, 0))
            p.raw(header(PING, [7], 0, 0))
            said = p.until(ERROR, PONG, BYE) if role else [CODES.index(p.error())]
            assert role or CODES[said[0]] in ("no_session", "unsupported"), (kind, said)
    is_served(url)


def lies(url):
    """Numbers, outcomes and fields that cannot be."""
    p = Peer(url, CLIENT)
    p.raw(header(QUERY, [1], 9))
    assert p.error() == "no_session"
    p.raw(header(ACK, [1], 0, U64))
    assert p.error() == "malformed"
    for value in (1.5, float("nan"), -1, None, True, {}, [1], "x", msgpack.ExtType(1, b"a")):
        p.raw(header(PING, [value]))
        assert p.error() == "malformed"
    p = Peer(url, CLIENT)
    p.send(OPEN, [1])
    p.send(SPEC, [1, 0], b"x")
    p.send(ROWS, [1, 0, 0, 0, U64, U64 % 1000000, U64, U64], b"x")
    assert p.until(END)[1] == 2
    w = Peer(url, WORKER)
    w.send(RESULTS, [1, 0, 1], msgpack.packb([0, 1, 0]))  # never granted
    w.send(RESULTS, [1, 0, 9], msgpack.packb([float("nan"), -1]))
    assert w.error() == "malformed"
    w.until(BYE)
    is_served(url)


def floods(url):
    """More of everything than anybody needs."""
    p = Peer(url)
    for _ in range(2000):
        p.raw(header(HELLO, [1, 1, 0, WORKER, 0, 0, b"same", b"", b"", 1, 1000000]))
    many = [Peer(url) for _ in range(300)]
    for q in many:
        q.raw(header(HELLO, [1, 1, 0, WORKER, 0, 0, b"same", b"", b"", 1, 1]))
    p = Peer(url, CLIENT)
    p.send(OPEN, [1])
    batch = p.until(OPENED)[1]
    for ref in range(6000):
        p.send(WAIT, [ref, batch, 1, U64])
    assert any(kind == REPLY and CODES[m[1]] == "busy" for kind, m in p.all(5))
    deaf = Peer(url, CLIENT)
    for ref in range(10000):
        deaf.send(QUERY, [ref, 0])
        deaf.send(PING, [ref])
    is_served(url)


{f.__name__: f for f in (garbage, roles, lies, floods)}[sys.argv[1]](sys.argv[2])
