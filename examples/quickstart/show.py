"""show.py WORK DATASET: what the run reported and the readers measured, as tables. Fails when readers did not agree."""
import glob
import json
import sys


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def size(count):
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"


def table(rows):
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(str(cell).rjust(width) for cell, width in zip(row, widths)))


def rate(readers, number):
    """Of all nodes together in one round."""
    slowest = max(reader["seconds"][number] for reader in readers)
    return (f"{sum(reader['files'] for reader in readers) / slowest:,.0f} files/s",
            f"{size(sum(reader['bytes'] for reader in readers) / slowest)}/s")


def main():
    work, dataset = sys.argv[1:]
    report = load(work + "/report.json")
    readers = {how: [load(path) for path in sorted(glob.glob(f"{work}/{how}/*.json"))] for how in ("direct", "forebay")}

    print(f"{dataset}: {report['dataset_objects']:,} files, {size(report['dataset_bytes'])}")
    print("\nWho staged what, and where the opens of each node's reader were served:")
    rows = [("node", "staged from origin", "from peers", "to peers", "opens: local", "peer", "origin")]
    for node in report["nodes"]:
        hits = node["hits"]
        rows.append((node["name"], size(node["origin_bytes_read"]), size(node["peer_bytes"]),
                     size(node["peer_bytes_served"]), f"{hits['local']:,}", f"{hits['peer']:,}", f"{hits['origin']:,}"))
    hits = report["hits"]
    rows.append(("all", size(report["origin_bytes_read"]), size(report["peer_bytes"]),
                 size(sum(node["peer_bytes_served"] for node in report["nodes"])), f"{hits['local']:,}",
                 f"{hits['peer']:,}", f"{hits['origin']:,}"))
    table(rows)

    direct = sum(reader["bytes"] * len(reader["seconds"]) for reader in readers["forebay"])
    print(f"\nThe readers read {size(direct)}; the origin gave {size(report['origin_bytes_read'])}: "
          f"{report['origin_read_ratio']:.3f} of the dataset.")

    print("\nAll nodes together (here the origin is this machine's own memory, which no shared store is):")
    table([("", "first round", "", "second round", "")] +
          [(how, *rate(readers[how], 0), *rate(readers[how], 1)) for how in ("direct", "forebay")])

    sums = {reader["checksum"] for reader in readers["direct"] + readers["forebay"]}
    same = len(sums) == 1 and len(readers["direct"]) == len(readers["forebay"]) > 0
    print("\nEvery reader read the same bytes, directly and through forebay." if same else "\nREADERS DISAGREE")
    return 0 if same and report["errors"] == 0 else 1


sys.exit(main())
