import pytest
import torch
from torch import distributed, multiprocessing

from qaconv_ext.graph import GraphSampler, one_graph

LABELS = [label for label in range(6) for _ in range(3)]


def test_without_a_process_group_it_is_the_callable_itself():
    assert one_graph(lambda images: torch.tensor([[1], [0]]))([0, 1]) == [[1], [0]]


def work(rank, store, results):
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)

    def differs_by_rank(images):
        return [[(c + 1 + rank) % 6] for c in range(6)]

    def fails(images):
        raise ValueError("no features")

    shared = one_graph(differs_by_rank)
    sampler = GraphSampler(LABELS, shared, 4, 2, rank=rank, world_size=2)
    batches = list(sampler)
    try:
        one_graph(fails)([0])
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
    results.put((rank, batches, sampler.state_dict(position=0), failure))
    distributed.destroy_process_group()


@pytest.mark.skipif(not distributed.is_available(), reason="torch without distributed")
def test_all_ranks_get_the_graph_of_rank_zero_and_its_errors(tmp_path):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [
        context.Process(target=work, args=(rank, tmp_path / "store", results)) for rank in range(2)
    ]
    for process in processes:
        process.start()
    got = sorted((results.get(timeout=60) for _ in processes), key=lambda result: result[0])
    for process in processes:
        process.join()
    (_, first, first_state, first_error), (_, second, second_state, second_error) = got
    assert first_state == second_state
    for batch in first + second:
        anchor, other = LABELS[batch[0]], LABELS[batch[2]]
        assert other == (anchor + 1) % 6
    assert len({LABELS[batch[0]] for batch in first + second}) == 6
    assert first_error == "ValueError: no features"
    assert second_error == "RuntimeError: neighbors: failed on rank 0 with ValueError: no features"
