"""Data-parallel training: several processes with one program, over torch.distributed (needs the ``[torch]`` extra).

Under a launcher (``torchrun --nproc-per-node 2 train.py``)::

    with data_parallel(program) as group:      # the same values everywhere
        for rows in batches:
            ...                                # backward on group.part(rows)
            group.average()                    # the mean gradient everywhere
            optimizer.step()

A Parameter made with ``layerwise_parallel=True`` and one whose data are ``sliced`` stay each process's own.
"""

from paragrad.distributed.group import Group, average, broadcast, data_parallel
from paragrad.distributed.sharding import dtensor, gather, shard

__all__ = ["Group", "average", "broadcast", "data_parallel", "dtensor", "gather", "shard"]
