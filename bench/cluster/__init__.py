"""Many blocks on many nodes: planned, measured one by one wherever there is room, and gathered into one run.

A block is all arms of one model × workload × repeat, in one allocation on one node, so that every comparison is made
within a node (docs/adr/0014). design.py orders the arms, blocks.py parts a run into blocks, folder.py is what a sweep
looks like on disk, attempt.py measures a block or the rest of one, cluster.py and queue.py speak with Slurm,
block_state.py knows how far all is, gather.py makes one run of it. analysis/ and report/ are of the nodes, verbs/ is
what a user calls.

Where it hangs on the core (hook.py; bench/hooks.py calls it):
    run's options                    --on, --models, --watch, … (options.py)
    run itself                       a sweep is planned, watched or resumed instead (verbs/sweep.py)
    a report, after first_generation the section on nodes; findings about them; all machines in one line; what is the
                                     same on all of them in place of one machine's environment (report/attached.py)
    the command line                 gather (verbs/gather.py)
"""
