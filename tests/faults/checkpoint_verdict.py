"""What a destination must have of what checkpoint_acts.py recorded, after whatever happened."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
import checkpoint_record as records

ANY = "any"  # in the middle of being written in place when its writer was killed


class Paths:
    """Of each path what it may be: versions in their order (a sum, or None where it was removed), and from which on."""

    def __init__(self, acts):
        self.versions, self.synced, self.done = {}, {}, {}
        open_acts = {}
        for act in acts:
            kind, node = act["act"], act["node"]
            if kind == "will":
                open_acts.setdefault(node, []).append((act["path"], act["sum"] if act["atomic"] else ANY))
            elif kind == "will_remove":
                open_acts[node] = [(path, None) for path in self.below(act["path"])]
            elif kind in ("file", "removed"):
                for path in [act["path"]] if kind == "file" else self.below(act["path"]):
                    # What was announced for it has come to be.
                    open_acts[node] = [entry for entry in open_acts.get(node, []) if entry[0] != path]
                    self.add(path, act.get("sum"), act.get("synced", False))
        for entries in open_acts.values():
            for path, content in entries:
                self.versions.setdefault(path, [None]).append(content)
                self.synced.setdefault(path, 0)
                self.done.setdefault(path, 0)

    def below(self, path):
        return [other for other in self.versions if other == path or other.startswith(path + "/")]

    def add(self, path, content, synced):
        versions = self.versions.setdefault(path, [None])
        versions.append(content)
        self.done[path] = len(versions) - 1
        self.synced.setdefault(path, 0)
        if synced:
            self.synced[path] = len(versions) - 1

    def judge(self, path, content, begin):
        """Empty, or what is wrong with this content (None: it is not there), which may be that of versions from `begin` on."""
        versions = self.versions[path]
        allowed = versions[begin:]
        if content in allowed or (ANY in allowed and (content is not None or None in allowed)):
            return ""
        what = "is missing" if content is None else "has a content that it never had"
        if content in versions:
            what = f"is as it was {len(versions) - 1 - max(n for n, one in enumerate(versions) if one == content)} changes ago"
        return f"{path} {what}; it may be versions {begin} to {len(versions) - 1}"


def content_of(place):
    return records.sum_of(place)[0] if os.path.isfile(place) else None


def judge(acts, destination, sure=lambda paths, path: paths.done[path]):
    """Each violation, and how many paths there are. `sure(paths, path)`: which version (Paths) has to be there, or a later one."""
    paths = Paths(acts)
    found = [paths.judge(path, content_of(os.path.join(destination, path)), sure(paths, path)) for path in sorted(paths.versions)]
    return [what for what in found if what], len(paths.versions)


def left_behind(destination):
    """Names of ours, which should be gone."""
    return [f"{os.path.relpath(os.path.join(base, name), destination)} was left behind"
            for base, directories, names in os.walk(destination) for name in directories + names if ".forebay-" in name]
