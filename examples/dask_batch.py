"""The same work on a dask cluster, with one limit for all its workers.

Needs `pip install distributed`.  Here the cluster is two processes on this machine; give
`Cluster("tcp://…")` the address of yours.

    python examples/dask_batch.py [URL of a page that shows a bot]
"""

import sys

from distributed import Client as Cluster
from distributed import LocalCluster, Semaphore, as_completed

import chatgptes
from chatgptes import sandbox

AT_ONCE = 3  # Over all workers: a site does not care how many machines ask it.


def ask(client: chatgptes.Client, limit: Semaphore, prompt: str) -> tuple[str, str]:
    """On a worker: one turn.  Errors of the library travel back as they are."""
    with limit:
        try:
            return prompt, str(client.chat(prompt))
        except chatgptes.ChatGptEsError as error:
            return prompt, f"{type(error).__name__}: {error}"


def main(site: str, cluster: Cluster) -> None:
    prompts = [f"What is {number} times {number}?" for number in range(1, 13)]
    limit = Semaphore(max_leases=AT_ONCE, name=site)
    # One client for all: a copy of it has its settings and its visitor id (the owner's limits for
    # a visitor hold for the cluster as a whole), and its own connections.  Scattered, so that
    # there is one copy on each worker, which reads the page once; as a plain argument it would be
    # copied, and the page read, for every prompt.
    with chatgptes.Client(site) as client:
        shared = cluster.scatter(client, broadcast=True, hash=False)
        futures = [cluster.submit(ask, shared, limit, prompt, pure=False) for prompt in prompts]
        for future in as_completed(futures):
            prompt, answer = future.result()
            print(f"{prompt} -> {len(answer)} characters")


if __name__ == "__main__":
    with (
        LocalCluster(n_workers=2, threads_per_worker=4, dashboard_address=None) as machines,
        Cluster(machines) as cluster,
    ):
        if len(sys.argv) > 1:
            main(sys.argv[1], cluster)
        else:
            with sandbox.Site() as local:
                main(local.url, cluster)
