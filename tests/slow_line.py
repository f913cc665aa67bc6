#!/usr/bin/env python3
"""A TCP relay that is a slow line: slow_line.py PORT_FILE PORT BYTES_PER_S

Listens on a free port of 127.0.0.1, which it writes into PORT_FILE, and passes bytes on to and from
PORT of 127.0.0.1, in each direction no more than BYTES_PER_S. It holds almost nothing itself: what
the line does not take yet stays with the sender, as with a modem. Ends by TERM.
"""
import os
import select
import socket
import sys
import time

TICK_S = 0.01
HELD = 8 << 10  # bytes that a socket may have for us


class Way:
    """One direction of one connection."""

    def __init__(self, source, sink):
        self.source, self.sink, self.ready_at, self.ended = source, sink, 0.0, False

    def move(self, rate, now):
        """Pass on what the line takes in a tick; then it is busy as long as that takes."""
        data = self.source.recv(max(1, int(rate * TICK_S)))
        if not data:
            self.ended = True
            self.sink.shutdown(socket.SHUT_WR)
            return
        self.sink.setblocking(True)
        self.sink.sendall(data)
        self.ready_at = max(self.ready_at, now - TICK_S) + len(data) / rate


def small(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def accept(listener, port, ways):
    near = small(listener.accept()[0])
    far = small(socket.socket())
    try:
        far.connect(("127.0.0.1", port))
    except OSError:
        near.close()
        return
    ways += [Way(near, far), Way(far, near)]


def move_all(ways, readable, rate):
    now = time.monotonic()
    for way in ways:
        if way.source in readable and not way.ended:
            try:
                way.move(rate, now)
            except OSError:
                way.ended = True
                way.source.close()
                way.sink.close()
    ways[:] = [w for w in ways if not w.ended and w.source.fileno() >= 0 and w.sink.fileno() >= 0]


def main():
    path, port, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD)
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(f"{listener.getsockname()[1]}\n")
    os.rename(path + ".new", path)
    ways = []
    while True:
        now = time.monotonic()
        idle = [w.source for w in ways if w.ready_at <= now]
        busy = any(w.ready_at > now for w in ways)
        readable = select.select([listener] + idle, [], [], TICK_S / 2 if busy else None)[0]
        if listener in readable:
            accept(listener, port, ways)
        move_all(ways, readable, rate)


main()
