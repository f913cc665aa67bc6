#!/usr/bin/python3
"""The campaign's checker: acknowledgements, executions and deliveries against each other.

    check.py [--seed N] [--reexecuted-max N] RECORD...

RECORD is a directory, of one broker's batches:
    effects          a line for each execution, written by the task: batch task attempt pid
    NAME.json        what one handle was given, as drover prints it with --json
    NAME.done        rows=N status=S kind=K: what it had to be given, when its reader ended
    acknowledged     detached batches that were acknowledged: id rows name; read as name.1, name.2
    cancelled        batch offset: a cancellation that was acknowledged, and where effects ended then

A task is lost if it was acknowledged and a handle that ended did not get it, or got it in no good
state, or with other output, or if it never ran. It is duplicate if one handle got it twice, or two
handles of its batch got different results. Executions beyond the first of each task are counted.
Prints what is wrong (some of it), and last "seed S: 0 lost, 0 duplicate, n re-executed".
"""
import argparse
import collections
import glob
import json
import os
import sys


class Findings:
    def __init__(self):
        self.count = collections.Counter()
        self.lines = []
        self.place = ""  # which record, where there are several

    def add(self, kind, text):
        self.count[kind] += 1
        if self.count[kind] <= 10:
            self.lines.append(f"{kind}: {self.place + ': ' if self.place else ''}{text}")


def read_done(path):
    with open(path) as f:
        fields = dict(word.split("=", 1) for word in f.read().split())
    return int(fields["rows"]), int(fields["status"]), fields["kind"]


def read_effects(path, findings):
    """(batch, task) -> executions; and the place behind each line, for cancellations."""
    runs, places, at = collections.Counter(), [], 0
    with open(path, "rb") as f:
        for line in f:
            at += len(line)
            words = line.split()
            if len(words) != 4 or not line.endswith(b"\n"):
                findings.add("damaged", f"effects: {line!r}")
                continue
            key = (int(words[0]), int(words[1]))
            runs[key] += 1
            places.append((at, key))
    return runs, places


def output_is_right(result, kind):
    if kind == "outcome":
        return True
    value = result["values"][0] if "values" in result else str(result["task"])
    return result.get("stdout", "") == (value if kind == "echo" else value + "\n")


class Handle:
    """What one reader was given, against what it had to be given."""

    def __init__(self, base, findings):
        self.name = os.path.basename(base)
        self.findings = findings
        self.results = {}
        self.retried = 0
        self.batch = None
        self.rows, self.status, self.kind = read_done(base + ".done")
        with open(base + ".json", "rb") as f:
            for line in f:
                self.delivered(line)
        if self.kind != "killed":
            self.ended()

    def delivered(self, line):
        try:
            r = json.loads(line)
        except ValueError:
            if self.kind != "killed":
                self.findings.add("damaged", f"{self.name}: {line[:80]!r}")
            return
        if "task" not in r:
            return
        task = r["task"]
        self.batch = r["batch"]
        if task in self.results:
            self.findings.add("duplicate", f"{self.name}: task {r['batch']}.{task} delivered again")
            return
        self.results[task] = (r["attempt"], r.get("start"), r.get("worker"), r["state"])
        self.retried += r["attempt"] > 1
        if self.kind in ("echo", "command") and r["state"] != "done":
            self.findings.add("lost", f"{self.name}: task {r['batch']}.{task} is {r['state']}, "
                                      f"{r.get('reason', '')}")
        elif self.kind != "killed" and not output_is_right(r, self.kind):
            self.findings.add("lost", f"{self.name}: the output of task {r['batch']}.{task} differs")

    def ended(self):
        missing = [t for t in range(1, self.rows + 1) if t not in self.results]
        for task in missing:
            self.findings.add("lost", f"{self.name}: task {task} of {self.rows} was not delivered")
        if len(self.results) + len(missing) != self.rows:
            self.findings.add("duplicate", f"{self.name}: {len(self.results)} tasks, not {self.rows}")
        if self.kind in ("echo", "command") and self.status != 0:
            self.findings.add("lost", f"{self.name}: its reader ended with status {self.status}")


def compare_handles(handles, findings):
    """One accepted result for each task, whoever reads it."""
    first = {}
    for h in handles:
        for task, result in h.results.items():
            other = first.setdefault((h.batch, task), result)
            if other != result:
                findings.add("duplicate", f"{h.name}: task {h.batch}.{task} was {other}, is {result}")


def check_effects(handles, runs, findings):
    for h in handles:
        if h.kind == "echo" or h.kind == "killed":
            continue
        for task, result in h.results.items():
            if h.kind == "outcome" and result[3] != "done":
                continue  # its executor may have died before it began
            if result[0] > 0 and runs[(h.batch, task)] == 0:
                findings.add("lost", f"{h.name}: task {h.batch}.{task} is {result[3]}, and never ran")


def check_acknowledged(record, handles, findings):
    names = {h.name for h in handles}
    for words in lines_of(record, "acknowledged"):
        if words[2] + ".1" not in names:
            findings.add("lost", f"batch {words[0]} was acknowledged and not read")


def check_cancelled(record, places, findings):
    for words in lines_of(record, "cancelled"):
        batch, offset = int(words[0]), int(words[1])
        for at, key in places:
            if key[0] == batch and at > offset:
                findings.add("late", f"task {key[0]}.{key[1]} ran after its cancellation was acknowledged")


def lines_of(record, name):
    path = os.path.join(record, name)
    if not os.path.exists(path):
        return []
    with open(path) as f:
        return [line.split() for line in f]


def check_record(record, findings):
    runs, places = read_effects(os.path.join(record, "effects"), findings)
    handles = [Handle(path[:-len(".done")], findings)
               for path in sorted(glob.glob(os.path.join(record, "*.done")))]
    compare_handles(handles, findings)
    check_effects(handles, runs, findings)
    check_acknowledged(record, handles, findings)
    check_cancelled(record, places, findings)
    again = sum(n - 1 for n in runs.values())
    return handles, runs, again + sum(h.retried for h in handles if h.kind == "echo")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", default="-")
    parser.add_argument("--reexecuted-max", type=int)
    parser.add_argument("record", nargs="+")
    args = parser.parse_args()

    findings = Findings()
    handles, executed, again = [], 0, 0
    for record in args.record:
        findings.place = os.path.basename(os.path.dirname(os.path.dirname(record))) if len(args.record) > 1 else ""
        here, runs, more = check_record(record, findings)
        handles += here
        executed += sum(runs.values())
        again += more
    if args.reexecuted_max is not None and again > args.reexecuted_max:
        findings.add("re-executed", f"{again}, where {args.reexecuted_max} are allowed")

    for line in findings.lines:
        print(line)
    delivered = sum(len(h.results) for h in handles)
    other = sum(n for kind, n in findings.count.items() if kind not in ("lost", "duplicate"))
    print(f"{len(handles)} handles, {delivered} results, {executed} commands run")
    print(f"seed {args.seed}: {findings.count['lost']} lost, {findings.count['duplicate']} duplicate, "
          f"{again} re-executed" + (f", {other} other findings" if other else ""))
    return 1 if findings.count else 0


if __name__ == "__main__":
    sys.exit(main())
