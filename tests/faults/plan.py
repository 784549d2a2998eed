"""Which faults a round injects."""
import random

from buffer_faults import (BytesFlipped, FilesChmodded, FilesSwapped, FileSystemFull, FilesTruncated, IndexFlipped, ObjectsRemoved,
                           ReadOnly)
from client_faults import ClientsKilled, ManyClients, SocketFlood
from origin_faults import Changes, OriginAway, OriginGone, OriginHangs
from process_faults import (HostDies, LauncherKilled, RunKilled, ServerAtEnd, ServerEarly, ServerInTransfer, ServerPauses, Servers,
                            SeveralServers)

EVERYWHERE = (Servers, Servers, Servers, ServerPauses, SeveralServers, ServerInTransfer, ServerEarly, ServerAtEnd,
              LauncherKilled, RunKilled, BytesFlipped, FilesTruncated, FilesChmodded, FilesSwapped, ObjectsRemoved,
              FileSystemFull, ReadOnly, IndexFlipped, Changes, Changes, Changes, OriginAway, OriginHangs, OriginGone,
              ClientsKilled, ManyClients, SocketFlood)
ON_HOSTS = EVERYWHERE + (HostDies,) * 8


def plan(seed, number, lab, only):
    """The faults of a round: the same for the same seed."""
    rng = random.Random(f"{seed} {number}")
    kinds = [kind for kind in (EVERYWHERE if lab.simulated else ON_HOSTS) if only in (None, kind.group, kind.__name__)]
    faults = [rng.choice(kinds)(rng, lab)]
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        another = rng.choice(kinds)
        if not faults[0].alone and not another.alone:
            faults.append(another(rng, lab))
    for fault in faults:
        fault.single = len(faults) == 1
    return faults, rng.random() < 0.1, rng.random() < 0.4  # a new run before the round, with empty buffers
