#!/usr/bin/env python3
"""checkpoint_judge.py [--plain TREE]... RECORD DESTINATION [OBSERVATIONS]: whether a destination has all that was recorded (checkpoint_record.py),
byte for byte, and nothing else that was recorded as removed; and whether what checkpoint_observer.py saw on the way there was
always right: only complete files under final names, no marker before its files, directories that came by one rename whole,
pointers only to what is complete. With --plain, links and modes
are those of what was written there. Prints each violation."""
import argparse
import fnmatch
import os
import sys

import checkpoint_record as records


def final_state(acts):
    """{path: sum or None (removed)} by the last act about each."""
    state = {}
    for act in acts:
        if act["act"] == "file":
            state[act["path"]] = act["sum"]
        elif act["act"] == "removed":
            for path in state:
                if path == act["path"] or path.startswith(act["path"] + "/"):
                    state[path] = None
    return state


def removal_begun(acts, path, before):
    return any(act["act"] == "will_remove" and act["t"] <= before and (path == act["path"] or path.startswith(act["path"] + "/"))
               for act in acts)


def judge_end(acts, destination):
    found = []
    for path, expected in final_state(acts).items():
        place = os.path.join(destination, path)
        if expected is None:
            if os.path.lexists(place):
                found.append(f"{path} was removed and is there")
        elif not os.path.exists(place):
            found.append(f"{path} is missing")
        elif records.sum_of(place)[0] != expected:
            found.append(f"{path} has other content ({os.path.getsize(place)} bytes)")
    for base, directories, names in os.walk(destination):
        found += [f"{os.path.join(base, name)} was left behind" for name in names + directories
                  if fnmatch.fnmatch(name, ".*.forebay-*")]
    return found


def judge_observations(acts, seen):
    versions, wholes = {}, {}
    for act in acts:
        if act["act"] == "file":
            versions.setdefault(act["path"], set()).add(act["sum"])
        elif act["act"] == "whole":
            wholes[act["path"]] = act["names"]
    marks = [act for act in acts if act["act"] == "will_mark"]
    points = [act for act in acts if act["act"] == "will_point"]
    any_version = set().union(*versions.values())  # of names that were only on the way to another
    found = []

    def files_before(directory, t, deep):
        return {act["path"]: act["sum"] for act in acts if act["act"] == "file" and act["t"] < t and
                (act["path"].startswith(directory + "/") if deep else os.path.dirname(act["path"]) == directory)}

    for event in seen:
        path = event.get("path")
        if event["saw"] == "file" and event["sum"] not in versions.get(path, any_version) and not path.endswith("-journal"):
            found.append(f"{path} was seen with a content that it never had complete ({event['size']} bytes)")
        elif event["saw"] == "listing":
            then = event["then"] or []
            for mark in marks:
                if os.path.dirname(mark["path"]) != path or os.path.basename(mark["path"]) not in event["names"]:
                    continue
                for before in files_before(path, mark["t"], deep=False):
                    if os.path.basename(before) not in then and not removal_begun(acts, before, event["t"]):
                        found.append(f"{mark['path']} was seen without {before}, which was there before it")
            for whole, names in wholes.items():
                if whole == path and not removal_begun(acts, whole, event["t"]):
                    direct = {name.split("/")[0] for name in names}
                    if not direct <= set(then):
                        found.append(f"{whole} was seen without {sorted(direct - set(then))}")
        elif event["saw"] == "pointer":
            place = os.path.normpath(os.path.join(os.path.dirname(path), event["to"]))
            told = [point["t"] for point in points if point["path"] == path and point["to"] == event["to"]]
            if not told:
                found.append(f"{path} was seen to name {event['to']}, which it never did")
                continue
            for name, content in files_before(place, told[0], deep=True).items():
                if event["found"].get(os.path.relpath(name, place)) != content:
                    found.append(f"{path} was seen to name {event['to']}, where {name} was missing or not complete")
    return found


def judge_kinds(plain, destination):
    """Links and modes, of what is in both."""
    found = []
    for base, directories, names in os.walk(plain):
        for name in directories + names:
            theirs = os.path.join(base, name)
            path = os.path.relpath(theirs, plain)
            ours = os.path.join(destination, path)
            if path.split("/")[0].startswith("source"):
                continue
            if not os.path.lexists(ours):
                found.append(f"{path} is missing")
            elif os.path.islink(theirs):
                if not os.path.islink(ours) or os.readlink(ours) != os.readlink(theirs):
                    found.append(f"the link {path} is another")
            elif os.lstat(ours).st_mode != os.stat(theirs).st_mode:
                found.append(f"{path} has mode {os.lstat(ours).st_mode:o} instead of {os.stat(theirs).st_mode:o}")
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--plain", action="append", default=[])
    parser.add_argument("record")
    parser.add_argument("destination")
    parser.add_argument("observations", nargs="?")
    options = parser.parse_args()
    acts = records.read(options.record)
    found = judge_end(acts, options.destination)
    for plain in options.plain:
        found += judge_kinds(plain, options.destination)
    seen = records.read(options.observations) if options.observations else []
    found += judge_observations(acts, seen)
    files = [content for content in final_state(acts).values() if content is not None]
    for violation in dict.fromkeys(found):
        print(violation)
    print(f"{len(acts)} acts, {len(files)} files at the end, {len(seen)} observations, {len(found)} violations")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
