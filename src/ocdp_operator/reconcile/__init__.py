"""The loop: ports to the outside worlds, the queue, the pipeline and the reconciler."""
