#!/usr/bin/env python3
"""A TCP relay whose line can be cut: relay.py PORT_FILE PORT

Listens on a free port of 127.0.0.1, which it writes into PORT_FILE, and passes bytes on to and from
PORT of 127.0.0.1. Who connects while nobody listens there is refused.

    USR1    all connections are reset, at both ends
    USR2    nothing passes any more, in either direction, and nothing is lost; again: it does
    TERM    the end
"""
import os
import selectors
import signal
import socket
import struct
import sys

CHUNK = 64 << 10
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: the peer gets RST


class Relay:
    def __init__(self, port):
        self.port, self.held, self.other = port, False, {}
        self.ready = selectors.DefaultSelector()
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.ready.register(self.listener, selectors.EVENT_READ)

    def accept(self):
        near, far = self.listener.accept()[0], socket.socket()
        try:
            far.connect(("127.0.0.1", self.port))
        except OSError:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            near.close()
            return
        for one, two in (near, far), (far, near):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.other[one] = two
            if not self.held:
                self.ready.register(one, selectors.EVENT_READ)

    def move(self, source):
        try:
            data = source.recv(CHUNK)
            if data:
                self.other[source].sendall(data)
                return
        except OSError:
            pass
        self.drop(source)

    def drop(self, source):
        for one in source, self.other[source]:
            if one in self.ready.get_map():
                self.ready.unregister(one)
            del self.other[one]
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            one.close()

    def cut(self):
        while self.other:
            self.drop(next(iter(self.other)))

    def hold(self):
        self.held = not self.held
        for one in self.other:
            if self.held:
                self.ready.unregister(one)
            else:
                self.ready.register(one, selectors.EVENT_READ)


def main():
    path, port = sys.argv[1], int(sys.argv[2])
    wanted = []
    wake, waker = socket.socketpair()
    for one in wake, waker:
        one.setblocking(False)
    relay = Relay(port)
    relay.ready.register(wake, selectors.EVENT_READ)
    signal.set_wakeup_fd(waker.fileno())
    signal.signal(signal.SIGUSR1, lambda *_: wanted.append(relay.cut))
    signal.signal(signal.SIGUSR2, lambda *_: wanted.append(relay.hold))
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(f"{relay.listener.getsockname()[1]}\n")
    os.rename(path + ".new", path)
    while True:
        for key, _ in relay.ready.select():
            if key.fileobj is wake:
                wake.recv(100)
            elif key.fileobj is relay.listener:
                relay.accept()
            elif key.fileobj in relay.other:
                relay.move(key.fileobj)
        while wanted:
            wanted.pop(0)()


main()
