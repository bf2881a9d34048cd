"""Many blocks on many nodes: planned, measured one by one wherever there is room, and gathered into one run.

A block is all arms of one model × workload × repeat, in one allocation on one node, so that every comparison is made
within a node (docs/adr/0014). design.py orders the arms, blocks.py parts a run into blocks, folder.py is what a sweep
looks like on disk, attempt.py measures a block or the rest of one, cluster.py and queue.py speak with Slurm, watch.py
shows how far all is, gather.py makes one run of it.
"""
