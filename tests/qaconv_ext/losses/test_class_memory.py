import math

import pytest
import torch

from qaconv_ext.losses import ClassMemory, ClassMemoryLoss
from qaconv_ext.qaconv import QAConv


def dot(probe, gallery):
    return probe.flatten(1) @ gallery.flatten(1).T


def by_loop(scores, labels, classes):
    losses, right, dropped = [], 0, 0
    for row, label in zip(scores, labels, strict=True):
        own = [s for s, c in zip(row, classes, strict=True) if c == label]
        others = [s for s, c in zip(row, classes, strict=True) if c != label]
        if not others:
            continue
        if not all(math.isfinite(s) for s in row):
            dropped += 1
            continue
        total = 0.0
        for score, c in zip(row, classes, strict=True):
            probability = 1 / (1 + math.exp(-score))
            if c != label:
                probability = 1 - probability
            total += (1 - probability) ** 2 * -math.log(probability)
        losses.append(total)
        right += bool(own) and own[0] > max(others)
    n = len(losses)
    return (sum(losses) / n, right / n, n, dropped) if n else (0.0, 0.0, 0, dropped)


def assert_same(result, expected):
    loss, accuracy, counted, dropped = expected
    assert result.loss.item() == pytest.approx(loss, rel=1e-6)
    assert result.accuracy.item() == pytest.approx(accuracy)
    assert (result.counted.item(), result.dropped.item()) == (counted, dropped)


class TestLoss:
    def test_by_hand(self):
        # All scores 0: |y - 1/2|² log 2 for each of three classes.
        result = ClassMemoryLoss().detailed(torch.zeros(2, 3), torch.tensor([0, 2]))
        assert_same(result, (3 * 0.25 * math.log(2), 0.0, 2, 0))

    @pytest.mark.parametrize("seed", range(12))
    def test_equals_the_loop(self, seed):
        g = torch.Generator().manual_seed(seed)
        rows, columns = 1 + seed, 1 + (seed * 5) % 7
        scores = torch.randn(rows, columns, generator=g, dtype=torch.float64) * 3
        classes = torch.randperm(9, generator=g)[:columns]
        labels = torch.randint(0, 9, (rows,), generator=g)
        if seed % 3 == 0:
            scores[seed // 2, columns // 2] = math.nan
        result = ClassMemoryLoss().detailed(scores, labels, classes)
        assert_same(result, by_loop(scores.tolist(), labels.tolist(), classes.tolist()))

    def test_rows_whose_class_is_not_there_have_the_others_and_broken_rows_no_gradient(self):
        scores = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
        scores[2, 1] = -math.inf
        scores.requires_grad_()
        result = ClassMemoryLoss().detailed(
            scores, torch.tensor([0, 8, 4, 4]), torch.tensor([0, 4, 5])
        )
        assert (result.counted.item(), result.dropped.item()) == (3, 1)
        result.loss.backward()
        assert scores.grad.isfinite().all()
        assert scores.grad[2].eq(0).all()
        assert scores.grad[[0, 1, 3]].ne(0).all()
        assert scores.grad[1].gt(0).all()  # all of them are to score lower

    def test_one_class_only(self):
        scores = torch.zeros(3, 1, requires_grad=True)
        result = ClassMemoryLoss().detailed(scores, torch.zeros(3, dtype=torch.long))
        assert_same(result, (0.0, 0.0, 0, 0))
        result.loss.backward()
        assert scores.grad.eq(0).all()

    def test_gradient_in_float64(self):
        g = torch.Generator().manual_seed(0)
        scores = torch.randn(4, 5, generator=g, dtype=torch.float64, requires_grad=True)
        labels = torch.tensor([0, 1, 1, 9])
        assert torch.autograd.gradcheck(lambda s: ClassMemoryLoss()(s, labels), scores)

    def test_bad_input_is_named(self):
        labels = torch.zeros(2, dtype=torch.long)
        with pytest.raises(ValueError, match=r"scores: got shape \[2\], wanted \[B, classes\]"):
            ClassMemoryLoss()(torch.zeros(2), labels)
        with pytest.raises(ValueError, match=r"classes: got shape \[4\], wanted \[3\]"):
            ClassMemoryLoss()(torch.zeros(2, 3), labels, torch.arange(4))


class TestMemory:
    def test_the_last_of_a_class_is_kept(self):
        memory = ClassMemory(5, 1, 1, 1)
        memory.update(torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(4, 1, 1, 1), torch.tensor([3] * 4))
        assert memory.valid.tolist() == [False, False, False, True, False]
        assert memory.maps.flatten().tolist() == [0, 0, 0, 4, 0]
        newer = torch.tensor([5.0, 6.0, 7.0]).reshape(3, 1, 1, 1)
        memory.update(newer, torch.tensor([0, 3, 0]))
        assert memory.maps.flatten().tolist() == [7, 0, 0, 6, 0]
        assert memory.valid.tolist() == [True, False, False, True, False]

    @pytest.mark.parametrize("chunk", [1, 2, 3, 16])
    def test_scores_are_those_of_the_seen_classes_whatever_the_chunks(self, chunk):
        g = torch.Generator().manual_seed(0)
        memory = ClassMemory(9, 2, 3, 1, mem_batch_size=chunk)
        stored, labels = torch.randn(5, 2, 3, 1, generator=g), torch.tensor([8, 1, 4, 5, 2])
        memory.update(stored, labels)
        batch = torch.randn(3, 2, 3, 1, generator=g)
        sizes = []

        def matcher(probe, gallery):
            sizes.append(len(gallery))
            return dot(probe, gallery)

        scores, classes = memory(batch, matcher)
        assert classes.tolist() == [1, 2, 4, 5, 8]
        assert max(sizes) <= chunk
        assert sum(sizes) == 5
        expected = dot(batch, stored[[1, 4, 2, 3, 0]])
        torch.testing.assert_close(scores, expected)

    def test_once_all_are_seen_nothing_waits_for_the_device(self, monkeypatch):
        memory, batch = ClassMemory(3, 1, 1, 1), torch.ones(2, 1, 1, 1)
        memory.update(torch.ones(2, 1, 1, 1), torch.tensor([0, 2]))
        early = {name: value.clone() for name, value in memory.state_dict().items()}
        assert memory(batch, dot)[1].tolist() == [0, 2]
        memory.update(torch.ones(1, 1, 1, 1), torch.tensor([1]))
        assert memory(batch, dot)[1].tolist() == [0, 1, 2]
        with monkeypatch.context() as patch:
            patch.setattr(torch.Tensor, "nonzero", None)
            assert memory(batch, dot)[1].tolist() == [0, 1, 2]
        memory.load_state_dict(early)
        assert memory(batch, dot)[1].tolist() == [0, 2]

    def test_before_the_first_update_the_loss_is_zero_and_can_go_backward(self):
        memory = ClassMemory(4, 2, 1, 1)
        maps = torch.randn(3, 2, 1, 1, requires_grad=True)
        scores, classes = memory(maps, dot)
        assert scores.shape == (3, 0)
        result = ClassMemoryLoss().detailed(scores, torch.tensor([0, 1, 2]), classes)
        assert_same(result, (0.0, 0.0, 0, 0))
        result.loss.backward()
        assert maps.grad.eq(0).all()

    def test_an_update_between_forward_and_backward_does_not_change_the_gradient(self):
        g = torch.Generator().manual_seed(0)
        memory = ClassMemory(3, 2, 1, 1)
        labels = torch.arange(3)
        memory.update(torch.randn(3, 2, 1, 1, generator=g), labels)
        maps = torch.randn(3, 2, 1, 1, generator=g, requires_grad=True)

        def gradient(update):
            scores, classes = memory(maps, dot)
            loss = ClassMemoryLoss()(scores, labels, classes)
            if update:
                memory.update(maps, labels)
            return torch.autograd.grad(loss, maps)[0]

        plain = gradient(update=False)
        assert torch.equal(gradient(update=True), plain)
        assert not memory.maps.requires_grad
        assert torch.equal(memory.maps, maps.detach())

    def test_it_works_with_qaconv_and_its_state_is_saved(self):
        g = torch.Generator().manual_seed(0)
        memory = ClassMemory(4, 8, 3, 2, mem_batch_size=2)
        matcher = QAConv(8, 3, 2).train()
        maps = torch.nn.functional.normalize(torch.randn(4, 8, 3, 2, generator=g), dim=1)
        memory.update(maps, torch.tensor([0, 1, 2, 2]))
        scores, classes = memory(maps.requires_grad_(), matcher)
        loss = ClassMemoryLoss()(scores, torch.tensor([0, 1, 2, 2]), classes)
        loss.backward()
        assert loss > 0
        assert matcher.fc.weight.grad.isfinite().all()
        copy = ClassMemory(4, 8, 3, 2)
        copy.load_state_dict(memory.state_dict())
        assert torch.equal(copy.maps, memory.maps)
        assert torch.equal(copy.valid, memory.valid)

    def test_narrow_maps_are_matched_in_their_own_type(self):
        memory = ClassMemory(2, 2, 1, 1)
        maps = torch.randn(2, 2, 1, 1).bfloat16()
        memory.update(maps, torch.tensor([0, 1]))
        assert memory.maps.dtype == torch.float32
        assert memory(maps, dot)[0].dtype == torch.bfloat16

    def test_bad_input_is_named(self):
        memory = ClassMemory(3, 2, 1, 1)
        with pytest.raises(ValueError, match=r"maps: got shape \[1, 3, 1, 1\], wanted \[N, 2, 1"):
            memory(torch.zeros(1, 3, 1, 1), dot)
        with pytest.raises(ValueError, match=r"labels: got 3, wanted class numbers in 0\.\.2"):
            memory.update(torch.zeros(1, 2, 1, 1), torch.tensor([3]))
        with pytest.raises(ValueError, match="mem_batch_size: got 0"):
            ClassMemory(3, 2, 1, 1, mem_batch_size=0)
