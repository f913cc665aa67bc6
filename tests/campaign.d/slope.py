#!/usr/bin/python3
"""What grew: slope.py SAMPLES

SAMPLES has lines "seconds name pid rss_kib fds". A process that was replaced begins anew, so the
slope of a name is that of all its lives together: least squares, each life around its own middle.
Lives of fewer than three samples say nothing. One line a name: slopes, and the last values.
"""
import collections
import sys


def slope(lives, column):
    above = below = 0.0
    for life in lives:
        t = sum(s[0] for s in life) / len(life)
        v = sum(s[column] for s in life) / len(life)
        above += sum((s[0] - t) * (s[column] - v) for s in life)
        below += sum((s[0] - t) ** 2 for s in life)
    return above / below if below else None


def main():
    lives = collections.defaultdict(list)
    with open(sys.argv[1], encoding="ascii") as f:
        for line in f:
            at, name, pid, rss, fds = line.split()
            lives[(name, pid)].append((float(at), int(rss), int(fds)))
    for name in sorted({n for n, _ in lives}):
        mine = [life for (n, _), life in lives.items() if n == name]
        long = [life for life in mine if len(life) > 2]
        last = mine[-1][-1]
        rss = slope(long, 1)
        if rss is None:
            print(f"{name}: {last[1]} KiB, {last[2]} descriptors at the end")
            continue
        span = sum(life[-1][0] - life[0][0] for life in long)
        print(f"{name}: {last[1]} KiB, {last[2]} descriptors at the end; an hour {rss * 3600 / 1024:+.2f} MiB, "
              f"{slope(long, 2) * 3600:+.1f} descriptors, over {span:.0f} s of {len(long)} lives")


main()
