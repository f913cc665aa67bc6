#!/usr/bin/env python3
"""A drover worker in another language: functions only, one row at a time. doc/PROTOCOL.md tells the story.

usage: worker.py URL          (needs python3-zmq, python3-msgpack)
    drover foreach --broker URL --function py:upper ::: one two three

It keeps no session over a lost connection: it ends, and the broker runs again what it had not answered.
"""
import collections, os, signal, socket, struct, sys, time
import msgpack, zmq

FUNCTIONS = {b"py:upper": lambda *values: b" ".join(values).upper()}
HELLO, WELCOME, PING, PONG, ACK, ERROR, BYE, BYE_OK = range(1, 9)
SPEC, DRAIN, RESULTS, OUTPUT, GRANT, TAKE_BACK, CANCEL_ROWS, RETURNED = 17, 27, 33, 34, 48, 49, 50, 65
DONE, FAILED, CANCELLED = 0, 1, 3
PIECE = 256 << 10  # longer output goes ahead of its outcome, in pieces

sent = acked = received = told = window = ping_ms = pinged = 0  # numbers of messages, of either side
specs, queue, cancels = {}, collections.deque(), []
drained = False  # to leave when nothing is left to do
part = b""  # of a large row that is still coming
broker = zmq.Context().socket(zmq.DEALER)


def send(kind, fields, *body, numbered=True):
    global sent, told
    sent, told = sent + numbered, received
    head = struct.pack(">4BBHBQBQ", 0xd7, 1, kind, 0, 0xdc, 2 + len(fields), 0xcf, sent * numbered, 0xcf, received)
    broker.send_multipart([head + b"".join(map(msgpack.packb, fields)), *body])


def rows_of(body):  # MessagePack arrays, one behind the other
    unpacker = msgpack.Unpacker(raw=True, max_buffer_size=0)
    unpacker.feed(body)
    return list(unpacker)


def receive(header, body=b"", *_):
    global acked, received, window, ping_ms, drained
    kind, (seq, ack, *m) = header[2], msgpack.unpackb(header[4:], raw=True)
    acked, received = max(acked, ack), max(received, seq)
    if kind == WELCOME:
        ping_ms, window = m[6], m[11]
    elif kind == PING:
        send(PONG, m[:1], numbered=False)
    elif kind == ERROR or kind == BYE:
        sys.exit("worker.py: the broker says: " + m[-1].decode())
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
broker.connect(sys.argv[1])
send(HELLO, [1, 1, 1, 2, 0, 0, b"python-%d" % os.getpid(), socket.gethostname().encode(), b"1", os.getpid(), 1],
     msgpack.packb(list(FUNCTIONS)), numbered=False)
try:
    while True:
        ready = queue and sent - acked < window
        if broker.poll(0 if ready else 500):
            receive(*broker.recv_multipart())
        elif ready:
            run(*queue.popleft())
        elif drained and not queue and sent == acked:
            break
        if time.time() - pinged > ping_ms / 1000 > 0:
            pinged = time.time()
            send(PING, [0], numbered=False)
        if told < received:
            send(ACK, [1 << 20], numbered=False)
finally:
    send(BYE, [0, b""], numbered=False)
    while broker.poll(1000) and broker.recv_multipart()[0][2] != BYE_OK:
        pass
