"""read_with_torch.py TREE: a DataLoader without workers, with forked and with spawned ones, reads up to FILES_MAX files."""
import hashlib
import os
import sys

import torch
from torch.utils.data import DataLoader, Dataset

FILES_MAX = 4000


class Files(Dataset):
    def __init__(self, tree):
        found = sorted(os.path.join(folder, name) for folder, _, names in os.walk(tree) for name in names)
        self.paths = [path for path in found if os.path.isfile(path) and not os.path.islink(path)][:FILES_MAX]

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        with open(self.paths[index], "rb") as file:
            return index, int.from_bytes(hashlib.md5(file.read()).digest()[:7], "little")


def main():
    dataset = Files(sys.argv[1])
    for workers, start in ((0, None), (2, "fork"), (2, "spawn")):
        loader = DataLoader(dataset, batch_size=64, shuffle=True, num_workers=workers, multiprocessing_context=start,
                            generator=torch.Generator().manual_seed(1))
        sums = torch.zeros(len(dataset), dtype=torch.int64)
        for indices, values in loader:
            sums[indices] = values
        print(workers, start, len(dataset), hashlib.md5(sums.numpy().tobytes()).hexdigest())


if __name__ == "__main__":
    main()
