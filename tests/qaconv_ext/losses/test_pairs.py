import pytest
import torch

from qaconv_ext.losses import hardest_pairs, pair_masks


@pytest.mark.parametrize("labels", [[], [3], [1, 1], [0, 1, 0, 2, 1, -5, 0]])
def test_masks_equal_the_loop(labels):
    masks = pair_masks(torch.tensor(labels, dtype=torch.long))
    n = range(len(labels))
    assert masks.same.tolist() == [[labels[i] == labels[j] for j in n] for i in n]
    assert masks.positive.tolist() == [[i != j and labels[i] == labels[j] for j in n] for i in n]
    assert masks.negative.tolist() == [[labels[i] != labels[j] for j in n] for i in n]
    assert masks.paired.tolist() == [
        labels.count(labels[i]) > 1 and labels.count(labels[i]) < len(labels) for i in n
    ]


def test_hardest_pairs_of_scores_beyond_any_constant():
    # A mask made of a large number would be mistaken for a score here.
    scores = torch.tensor([[0.0, 3e38, -3e38], [3e38, 0.0, 1.0], [-3e38, 1.0, 0.0]])
    positive, negative = hardest_pairs(scores, pair_masks(torch.tensor([0, 0, 1])))
    assert positive[:2].tolist() == scores[0, 1].repeat(2).tolist()
    assert negative[:2].tolist() == [scores[0, 2].item(), 1.0]


def test_bad_input_is_named():
    masks = pair_masks(torch.tensor([0, 0, 1]))
    with pytest.raises(TypeError, match=r"^labels: got list, wanted a torch\.Tensor$"):
        pair_masks([0, 0, 1])
    with pytest.raises(TypeError, match=r"^labels: got dtype torch\.float32, wanted whole"):
        pair_masks(torch.zeros(3))
    with pytest.raises(ValueError, match=r"^labels: got shape \[1, 3\], wanted \[B\]$"):
        pair_masks(torch.tensor([[0, 0, 1]]))
    with pytest.raises(ValueError, match=r"^scores: got shape \[2, 2\], wanted \[3, 3\] as masks"):
        hardest_pairs(torch.zeros(2, 2), masks)
    with pytest.raises(TypeError, match=r"^scores: got dtype torch\.int64, wanted one of"):
        hardest_pairs(torch.zeros(3, 3, dtype=torch.long), masks)
    with pytest.raises(TypeError, match=r"^masks: got tuple, wanted the PairMasks of pair_masks$"):
        hardest_pairs(torch.zeros(3, 3), tuple(masks))
