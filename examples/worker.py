#!/usr/bin/env python3
"""A drover worker in another language: functions only, one row at a time. doc/PROTOCOL.md tells the story.

usage: worker.py URL          (needs python3-zmq, python3-msgpack)
    drover foreach --broker URL --function py:upper ::: one two three

It keeps what the broker has not acknowledged, and goes on after a lost connection and with a broker that was restarted.
"""
import collections, os, random, signal, socket, struct, sys, time
import msgpack, zmq

FUNCTIONS = {b"py:upper": lambda *values: b" ".join(values).upper()}
HELLO, WELCOME, PING, PONG, ACK, ERROR, BYE, BYE_OK = range(1, 9)
SPEC, DRAIN, RESULTS, OUTPUT, GRANT, TAKE_BACK, CANCEL_ROWS = 17, 27, 33, 34, 48, 49, 50
CAPACITY, RETURNED, HOLD = 64, 65, 66
NO_SESSION, STORAGE, STOPPING, FENCED, LOST = 4, 8, 10, 13, 14
DONE, FAILED, CANCELLED = 0, 1, 3
PIECE = 256 << 10  # longer output goes ahead of its outcome, in pieces

sent = received = told = token = window = ping_ms = pinged = 0  # numbers of messages, of either side
live, call_at = False, 0.0  # welcomed; else when to say HELLO
kept = {}  # by number: what was said and not acknowledged
specs, queue, cancels = {}, collections.deque(), []
drained = False  # to leave when nothing is left to do
part = b""  # of a large row that is still coming
broker = zmq.Context().socket(zmq.DEALER)


def transmit(kind, number, fields, *body):
    head = struct.pack(">4BBHBQBQ", 0xd7, 1, kind, 0, 0xdc, 2 + len(fields), 0xcf, number, 0xcf, received)
    try:
        broker.send_multipart([head + b"".join(map(msgpack.packb, fields)), *body], zmq.DONTWAIT)
    except zmq.Again:  # no connection: what matters is kept
        pass


def send(kind, fields, *body):
    global sent, told
    sent, told = sent + 1, received
    kept[sent] = (kind, fields, *body)
    transmit(kind, sent, fields, *body)


def call():
    global call_at
    call_at = time.time() + random.uniform(1, 3)
    transmit(HELLO, 0, [1, 1, 1, 2, token, received, b"python-%d" % os.getpid(), socket.gethostname().encode(), b"2",
                        os.getpid(), 1], msgpack.packb(list(FUNCTIONS)))


def hang_up(wait):
    global live, call_at
    live, call_at = False, time.time() + wait


def rows_of(body):  # MessagePack arrays, one behind the other
    unpacker = msgpack.Unpacker(raw=True, max_buffer_size=0)
    unpacker.feed(body)
    return list(unpacker)


def welcome(m):
    global live, sent, received, told, token, window, ping_ms, part
    live, token, resumed, ping_ms, window = True, m[3], m[5], m[6], m[11]
    acknowledged(m[4] if resumed == 1 else 0)
    again = list(kept.values())
    if resumed == 1:  # another connection, the same numbers
        for number, said in kept.items():
            transmit(said[0], number, *said[1:])
        return
    sent = received = told = 0
    part = b""
    kept.clear()
    cancels.clear()
    if resumed == 0:  # what was granted is void
        queue.clear()
        return
    answered = [said for said in again if said[0] in (RESULTS, OUTPUT)]
    held = [(batch, row, attempt) for _, batch, _, row, attempt, _ in queue]
    held += [(fields[0], *rows_of(body)[0][:2]) for kind, fields, body in answered if kind == RESULTS]
    for n, (batch, row, attempt) in enumerate(held, 1):
        send(HOLD, [batch, row, 1, attempt, int(n == len(held))])
    if not held:
        send(HOLD, [0, 0, 0, 0, 1])
    for said in answered:
        send(*said)
    if drained:
        send(CAPACITY, [1, 1])


def acknowledged(number):
    for n in [n for n in kept if n <= number]:
        del kept[n]


def receive(header, body=b"", *_):
    global received
    kind, (seq, ack, *m) = header[2], msgpack.unpackb(header[4:], raw=True)
    if kind == ERROR and m[0] not in (NO_SESSION, STORAGE, STOPPING, FENCED, LOST):
        sys.exit("worker.py: the broker says: " + m[3].decode())
    if kind == WELCOME:
        welcome(m)
    elif kind == ERROR and live:
        hang_up(1 if m[0] == STOPPING else 0)
    elif live and seq and seq != received + 1:  # seen before, or something is missing
        if seq > received:
            hang_up(0)
    elif live:
        received = max(received, seq)
        acknowledged(ack)
        take(kind, m, body)


def take(kind, m, body):
    global drained
    if kind == PING:
        transmit(PONG, 0, m[:1])
    elif kind == BYE:
        transmit(BYE_OK, 0, [])
        hang_up(random.uniform(0.5, 1.5))
    elif kind == SPEC:
        specs[m[0], m[1]] = body
    elif kind == GRANT:
        grant(body, *m)
    elif kind == TAKE_BACK:  # nothing: what is queued here will run soon
        send(RETURNED, [m[0], 0, 0, 1])
    elif kind == DRAIN:
        drained = True
    elif kind == CANCEL_ROWS:
        cancels.append(m)


def grant(body, batch, spec, stage, number, first, count, attempt, share, base, slots, offset, total, each_spec):
    global part
    if total:
        part = part + body if offset else body
        body = part if len(part) == total else b""
    for i, values in enumerate(rows_of(body)):
        queue.append((number, batch, spec + i * each_spec, first + i, attempt, values))


def is_cancelled(number, batch, row):
    return any(batch == b and number <= upto and (not count or first <= row < first + count)
               for b, first, count, upto, *_ in cancels)


def run(number, batch, spec, row, attempt, values):
    began, how, out, reason = time.time(), CANCELLED, b"", b""
    if not is_cancelled(number, batch, row):
        try:
            how, out = DONE, FUNCTIONS[specs[batch, spec]](*values)
        except Exception as error:
            how, reason = FAILED, repr(error).encode()[:200]
    times = [int(began * 1e6), int((time.time() - began) * 1e6), len(out), 0, 0, 0, 0]
    for at in range(0, len(out) - PIECE, PIECE):
        send(OUTPUT, [batch, 0, row, attempt, 1, at], out[at:at + PIECE])
    out = out[(len(out) - 1) // PIECE * PIECE:]
    send(RESULTS, [batch, 0, 1], msgpack.packb([row, attempt, how, int(how == FAILED), 0, out, b"", *times, reason]))


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
broker.linger = 0
broker.immediate = 1  # HELLO is not to wait for a broker that is away: it is said again
broker.connect(sys.argv[1])
try:
    while True:
        if not live and time.time() >= call_at:
            call()
        ready = live and queue and len(kept) < window
        if broker.poll(0 if ready else 200):
            receive(*broker.recv_multipart())
        elif ready:
            run(*queue.popleft())
        elif drained and not queue and not kept:
            break
        if live and time.time() - pinged > ping_ms / 1000:
            pinged = time.time()
            transmit(PING, 0, [0])
        if live and told < received:
            told = received
            transmit(ACK, 0, [1 << 20])
finally:
    transmit(BYE, 0, [0, b""])
    while live and broker.poll(1000) and broker.recv_multipart()[0][2] != BYE_OK:
        pass
