#!/usr/bin/env python3
"""A TCP relay that is a bad line: line.py PORT_FILE PORT [--delay-ms N] [--reset-ms N] [--swallow-ms N]

Listens on a free port of 127.0.0.1, which it writes into PORT_FILE, and passes bytes on to and from
PORT of 127.0.0.1. --delay-ms: each byte arrives so much later, in each direction. --reset-ms: so often
all connections are reset. --swallow-ms: for so long before that, what PORT says is taken and thrown
away, so that acknowledgements are lost of what has arrived. Stopped (SIGSTOP) it is a line that is
silent. Ends by TERM, and then prints how often it reset something and how many bytes it swallowed.
"""
import argparse
import asyncio
import os
import signal
import socket
import struct

HELD = 256 << 10  # bytes that are on their way, at the most


class Line:
    def __init__(self, args):
        self.args = args
        self.open = set()
        self.swallows = False
        self.resets = self.swallowed = 0

    async def carry(self, reader, writer, back):
        """One direction: what is read leaves delay_ms later."""
        queue = asyncio.Queue(HELD // 16384)
        loop = asyncio.get_running_loop()

        async def deliver():
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(0, due - loop.time()))
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()

        delivery = asyncio.ensure_future(deliver())
        try:
            data = b"."
            while data and not delivery.done():
                data = await reader.read(16384)
                if back and self.swallows:
                    self.swallowed += len(data)
                else:
                    await queue.put((loop.time() + self.args.delay_ms / 1000, data))
            await delivery
        except OSError:
            pass
        finally:
            delivery.cancel()

    async def accept(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.args.port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self.open |= both
        await asyncio.gather(self.carry(reader, far_writer, False), self.carry(far_reader, writer, True),
                             return_exceptions=True)
        self.open -= both
        for w in both:
            w.transport.abort()

    async def reset_often(self):
        while True:
            await asyncio.sleep((self.args.reset_ms - self.args.swallow_ms) / 1000)
            self.swallows = bool(self.args.swallow_ms)
            await asyncio.sleep(self.args.swallow_ms / 1000)
            self.swallows = False
            self.resets += len(self.open) // 2
            for w in list(self.open):
                # with nothing to linger for, close() says RST
                w.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                w.transport.abort()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port_file")
    parser.add_argument("port", type=int)
    for name in ("--delay-ms", "--reset-ms", "--swallow-ms"):
        parser.add_argument(name, type=int, default=0)
    line = Line(parser.parse_args())
    server = await asyncio.start_server(line.accept, "127.0.0.1", 0)
    with open(line.args.port_file + ".new", "w", encoding="ascii") as file:
        file.write(f"{server.sockets[0].getsockname()[1]}\n")
    os.rename(line.args.port_file + ".new", line.args.port_file)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    resetting = asyncio.ensure_future(line.reset_often()) if line.args.reset_ms else None
    await ended.wait()
    if resetting:
        resetting.cancel()
    print(f"resets={line.resets} swallowed={line.swallowed}", flush=True)


asyncio.run(main())
