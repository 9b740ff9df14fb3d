import math

import pytest
import torch

from qaconv_ext.losses import SoftmaxClassifier


def by_loop(maps, labels, weight, bias):
    losses, right = [], 0
    for image, label in zip(maps.tolist(), labels.tolist(), strict=True):
        locations = [[v for line in channel for v in line] for channel in image]
        if not all(math.isfinite(v) for channel in locations for v in channel):
            continue
        pooled = [sum(channel) / len(channel) for channel in locations]
        logits = [
            sum(w * p for w, p in zip(row, pooled, strict=True)) + b
            for row, b in zip(weight.tolist(), bias.tolist(), strict=True)
        ]
        losses.append(math.log(sum(math.exp(x) for x in logits)) - logits[label])
        right += logits.index(max(logits)) == label
    return sum(losses) / len(losses), right / len(losses), len(losses)


def test_equals_the_loop_and_drops_broken_rows():
    g = torch.Generator().manual_seed(0)
    classifier = SoftmaxClassifier(4, 3)
    maps = torch.randn(6, 4, 3, 2, generator=g)
    maps[2, 1, 0, 1] = math.nan
    maps.requires_grad_()
    labels = torch.tensor([0, 1, 2, 2, 1, 0])
    result = classifier.detailed(maps, labels)
    loss, accuracy, counted = by_loop(
        maps.detach(), labels, classifier.classifier.weight, classifier.classifier.bias
    )
    assert result.loss.item() == pytest.approx(loss, rel=1e-5)
    assert result.accuracy.item() == pytest.approx(accuracy)
    assert (result.counted.item(), result.dropped.item()) == (counted, 1)
    result.loss.backward()
    assert maps.grad.isfinite().all()
    assert maps.grad[2].eq(0).all()
    assert classifier.classifier.weight.grad.isfinite().all()


def test_with_a_norm_before_it():
    g = torch.Generator().manual_seed(0)
    classifier = SoftmaxClassifier(4, 3, norm=True)
    assert [name for name, p in classifier.named_parameters() if p.requires_grad] == [
        "norm.weight",
        "classifier.weight",
    ]
    maps, labels = torch.randn(6, 4, 3, 2, generator=g), torch.tensor([0, 1, 2, 2, 1, 0])
    pooled = maps.mean(dim=(2, 3))
    normed = (pooled - pooled.mean(0)) / (pooled.var(0, correction=0) + 1e-5).sqrt()
    wanted = torch.nn.functional.cross_entropy(normed @ classifier.classifier.weight.T, labels)
    assert classifier(maps, labels).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_it_learns_what_can_be_learnt():
    maps = torch.eye(4).reshape(4, 4, 1, 1)
    labels = torch.arange(4)
    classifier = SoftmaxClassifier(4, 4)
    optimizer = torch.optim.SGD(classifier.parameters(), lr=5.0)
    for _ in range(60):
        optimizer.zero_grad()
        classifier(maps, labels).backward()
        optimizer.step()
    assert classifier.detailed(maps, labels).accuracy == 1


def test_the_loss_is_float32_under_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = SoftmaxClassifier(4, 3).detailed(torch.randn(2, 4, 1, 1), torch.tensor([0, 1]))
    assert result.loss.dtype == torch.float32


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"maps: got shape \[2, 5, 1, 1\], wanted \[B, 4, h, w\]"):
        SoftmaxClassifier(4, 3)(torch.zeros(2, 5, 1, 1), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="num_classes: got 0"):
        SoftmaxClassifier(4, 0)
