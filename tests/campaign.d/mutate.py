#!/usr/bin/env python3
"""Sessions with a broker, recorded, and said again with something wrong in them. Used by T21.bash.

usage: mutate.py [--seed N] [--rounds N] [--messages N] URL COMMAND...

COMMAND runs with RELAY in its environment, the address of a relay to URL: what each peer says there is a session, of
which the first --messages are taken. Each is said again for each of its messages (HELLO included) and each of four
mutations: dropped, repeated, exchanged with the next one, cut somewhere. Then sessions are drawn at random, with about
a third of their messages mutated, until --rounds messages were. After each, whatever the broker answered must carry a
code that doc/PROTOCOL.md knows, and now and then somebody who behaves must be served at once.

A peer acknowledges what it has really got, so that a session goes as far as its numbers allow.

(needs python3-zmq, python3-msgpack)
"""
import argparse, collections, os, random, struct, subprocess, sys, time
import msgpack, zmq

HELLO, WELCOME, PING, PONG, ACK, ERROR, BYE = range(1, 8)
STOP, QUERY, RESULTS, END, REPLY = 9, 26, 33, 35, 36
# which field of it is a code, and which codes there are
CODED = {ERROR: (0, range(1, 15)), BYE: (0, range(0, 15)), REPLY: (1, range(0, 15)), END: (1, range(0, 4))}
SAID = {WELCOME, PING, PONG, ACK, ERROR, BYE, 8, *range(32, 39), *range(48, 52), 17, 23, 24, 27}
AT_ACK = 4 + 3 + 9 + 1  # a header: 4 bytes, an array of 16 bits, seq and ack of 64 bits
MUTATIONS = "drop repeat exchange cut".split()
context = zmq.Context()


class Peer:
    def __init__(self, url):
        self.s = context.socket(zmq.DEALER)
        self.s.linger = self.s.sndhwm = 0
        self.s.connect(url)
        self.received = 0

    def say(self, frames):
        head = frames[0]
        if len(head) >= AT_ACK + 8 and head[2] != HELLO:
            head = head[:AT_ACK] + struct.pack(">Q", self.received) + head[AT_ACK + 8:]
        self.s.send_multipart([head, *frames[1:]])

    def answers(self, seconds):
        """What comes until nothing does for so long."""
        while self.s.poll(int(seconds * 1000)):
            head = self.s.recv_multipart()[0]
            seq, _, *fields = msgpack.unpackb(head[4:], raw=True)
            if seq == self.received + 1:
                self.received = seq
            yield head[2], fields


def header(kind, fields, seq=0):
    return struct.pack(">4BBHBQBQ", 0xd7, 1, kind, 0, 0xdc, 2 + len(fields), 0xcf, seq, 0xcf, 0) + \
        b"".join(map(msgpack.packb, fields))


def is_served(url):
    p, began = Peer(url), time.time()
    p.say([header(HELLO, [1, 1, 7, 1, 0, 0, b"good", b"host", b"1", 1, 1])])
    p.say([header(QUERY, [1, 0], 1)])
    assert any(kind == REPLY for kind, _ in p.answers(10)), "the broker does not answer"
    p.s.close()
    return time.time() - began


class Relay:
    """Peers connect here; what each says is kept."""

    def __init__(self, url):
        self.url, self.front = url, context.socket(zmq.ROUTER)
        self.front.linger = 0
        self.address = "tcp://127.0.0.1:%d" % self.front.bind_to_random_port("tcp://127.0.0.1")
        self.backs, self.said = {}, collections.defaultdict(list)

    def turn(self):
        poller = zmq.Poller()
        for s in [self.front, *(back.s for back in self.backs.values())]:
            poller.register(s, zmq.POLLIN)
        ready = dict(poller.poll(50))
        if self.front in ready:
            peer, *frames = self.front.recv_multipart()
            if peer not in self.backs:
                self.backs[peer] = Peer(self.url)
            self.backs[peer].s.send_multipart(frames)
            self.said[peer].append(frames)
        for peer, back in self.backs.items():
            if back.s in ready:
                self.front.send_multipart([peer, *back.s.recv_multipart()])


def record(url, command):
    relay = Relay(url)
    child = subprocess.Popen(command, env=dict(os.environ, RELAY=relay.address), stdin=subprocess.DEVNULL)
    while child.poll() is None:
        relay.turn()
    for back in relay.backs.values():
        back.s.close()
    assert child.returncode == 0, "what was to be recorded ended with %d" % child.returncode
    # what only shows that somebody is there says nothing new
    sessions = [[m for m in said if m[0][2] not in (PING, PONG, ACK)] for said in relay.said.values()]
    return [said for said in sessions if len(said) > 1]


def mutated(dice, how, session, n):
    """The session with its message n mutated, and how many messages of it are."""
    message = session[n]
    if how == "drop":
        new = []
    elif how == "repeat":
        new = [message, message]
    elif how == "exchange":
        return session[:n] + session[n + 1:n + 2] + [message] + session[n + 2:]
    else:
        i = dice.randrange(len(message))
        frame = message[i][:dice.randrange(len(message[i]) or 1)]
        new = [[*message[:i], frame, *message[i + 1:]]]
    return session[:n] + new + session[n + 1:]


class Run:
    def __init__(self, url):
        self.url, self.count, self.errors, self.slowest = url, collections.Counter(), collections.Counter(), 0

    def check(self, kind, fields):
        assert kind in SAID, "the broker says what it may not: kind %d" % kind
        if kind in CODED:
            field, codes = CODED[kind]
            assert fields[field] in codes, "kind %d with code %r" % (kind, fields[field])
        if kind == ERROR:
            self.errors[fields[0]] += 1

    def say(self, session):
        p = Peer(self.url)
        for frames in session:
            p.say(frames)
            for answer in p.answers(0):
                self.check(*answer)
        for answer in p.answers(0.001):
            self.check(*answer)
        p.s.close()
        self.count["sessions"] += 1
        if self.count["sessions"] % 200 == 0:
            self.slowest = max(self.slowest, is_served(self.url))


def main():
    parser = argparse.ArgumentParser()
    for name, otherwise in (("seed", 0), ("rounds", 0), ("messages", 60)):
        parser.add_argument("--" + name, type=int, default=otherwise)
    parser.add_argument("url")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    o = parser.parse_args()
    dice, run = random.Random(o.seed), Run(o.url)
    sessions = [said[:o.messages] for said in record(o.url, o.command)]
    kinds = {m[0][2] for said in sessions for m in said}
    for said in sessions:
        for n in range(len(said)):
            for how in MUTATIONS:
                run.say(mutated(dice, how, said, n))
                run.count["mutated"] += 1
    while run.count["mutated"] < o.rounds:
        said = dice.choice(sessions)
        for n in reversed(range(len(said))):
            if dice.random() < 0.3:
                said = mutated(dice, dice.choice(MUTATIONS), said, n)
                run.count["mutated"] += 1
        run.say(said)
    run.slowest = max(run.slowest, is_served(o.url))
    assert len(kinds) > 10 and run.errors, "nothing was said that is wrong"
    print("%d sessions of %d messages and %d kinds; %d messages mutated in %d sessions; refused: %s; slowest answer to "
          "one who behaves %.0f ms" % (len(sessions), sum(map(len, sessions)), len(kinds), run.count["mutated"],
                                       run.count["sessions"], dict(sorted(run.errors.items())), run.slowest * 1000),
          file=sys.stderr)


main()
