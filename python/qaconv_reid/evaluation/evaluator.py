"""Evaluating a network and a matcher on a data set, in bounded memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from qaconv_reid.data import Record, ReidDataset, variant_name
from qaconv_reid.evaluation.features import FeatureSet, extract
from qaconv_reid.evaluation.kept_features import extract_kept
from qaconv_reid.evaluation.parts import features_of_parts
from qaconv_reid.evaluation.protocols import Identities, Measures, measure, unmeasurable
from qaconv_reid.evaluation.ranking import Ranking
from qaconv_reid.evaluation.refinement import has_times, refinements
from qaconv_reid.evaluation.result import EvaluationResult, Measured
from qaconv_reid.evaluation.shortlist import Kept, Shortlist
from qaconv_reid.evaluation.stored_scores import KeptScores, StoredScores
from qaconv_reid.evaluation.work import SetWork
from qaconv_reid.models import Progress, evaluation_mode
from qaconv_reid.ranks import Ranks

__all__ = ["MAPPED_FROM", "evaluate", "score_blocks"]

#: Bytes of a data set's maps from which on they are memory-mapped from a file.
MAPPED_FROM = 1 << 30


def evaluate(
    network: nn.Module,
    matcher: nn.Module,
    dataset: ReidDataset,
    height: int,
    width: int,
    *,
    batch: int = 64,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    autocast: torch.dtype | None = None,
    workers: int = 0,
    query_block: int = 256,
    gallery_block: int = 1024,
    measures: Measures | None = None,
    shortlist: float = 1.0,
    on_features: Callable[[FeatureSet, FeatureSet], None] | None = None,
    work: SetWork | None = None,
    ranks: Ranks | None = None,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Match every query with every gallery image of a data set, and measure.

    Beside the maps of both sides, which are memory-mapped from a file where they take more than
    `MAPPED_FROM` bytes, the biggest thing in memory is the scores of one block of queries,
    ``query_block`` × gallery float32. Where more than the plain ranking is asked for, all
    scores of queries with the gallery are kept meanwhile, in a temporary file when they are many.
    Modes of network and matcher are restored.

    Args:
        network: ``[B, 3, height, width]`` to ``[B, C, h, w]``, on ``device``.
        matcher: ``[P, C, h, w]`` and ``[G, C, h, w]`` to scores ``[P, G]``, on ``device``.
        dataset: its query and gallery parts are used.
        height: pixels that images are resized to.
        width: pixels that images are resized to.
        batch: images through the network at a time.
        device: where network and matcher run.
        dtype: type the maps are kept and matched in; ``torch.float16`` halves their memory.
        autocast: type to run the network in, None for the weights' own.
        workers: processes that read images; 0 reads them here.
        query_block: queries matched at a time.
        gallery_block: gallery images matched at a time.
        measures: the protocol, and what is measured beside the plain scores; None takes
            Market-1501's protocol and nothing beside.
        shortlist: share of the gallery that is scored exactly, chosen by row stripes for each
            query; the others stand below, by their stripes. What that is worth is measured on some
            queries and noted. Not with re-ranking or temporal lifting.
        on_features: given those of query and gallery before they are let go.
        work: what an earlier process finished of this, to go on from; maps and scores are kept
            there as they come. With several processes it is not used.
        ranks: the processes of a distributed run, which all call this, divide maps and scores among
            them (not what is measured beside) and get the same result.
        progress: told after every step.

    Raises:
        ValueError: a part is empty, no query has a match, a block is not positive, or the matcher
            does not take the network's maps; all before any image is read.
    """
    for name, value in (("query_block", query_block), ("gallery_block", gallery_block)):
        if value < 1:
            raise ValueError(f"{name}: got {value}, wanted at least 1")
    measures = measures or Measures()
    if shortlist < 1 and (measures.rerank or measures.tlift):
        raise ValueError(
            f"shortlist: got {shortlist:g} with {'rerank' if measures.rerank else 'tlift'}, wanted "
            "1: they need the scores of all"
        )
    identities = Identities.of(dataset)
    if complaint := unmeasurable(dataset, measures.protocol):
        raise ValueError(f"{dataset.name}: {complaint}")
    shape = _rehearse(network, matcher, height, width, device, dtype)
    ranks = ranks or Ranks()
    if ranks.size > 1:
        work = None
    finished = _finished(dataset, work)
    started = time.perf_counter()
    with ExitStack() as until_end:
        files = work
        size = (len(dataset.query) + len(dataset.gallery)) * shape.numel() * dtype.itemsize
        if files is None and ranks.size == 1 and size > MAPPED_FROM:
            files = SetWork(Path(until_end.enter_context(TemporaryDirectory(prefix="qaconv-"))))

        def features(records: Sequence[Record], what: str) -> FeatureSet:
            part = "query" if records is dataset.query else "gallery"
            mapped = partial(
                extract,
                network,
                height=height,
                width=width,
                batch=batch,
                device=device,
                dtype=dtype,
                autocast=autocast,
                workers=workers,
                ranks=ranks,
                what=what,
            )
            if files is None:
                return mapped(records=records, progress=progress)
            return extract_kept(
                records, files.rows(part, len(records), shape, dtype), mapped, progress
            )

        query, gallery = features_of_parts(dataset, features, dataset.name)
        extracted = time.perf_counter()
        stored: StoredScores | KeptScores = until_end.enter_context(StoredScores(len(gallery)))
        if work is not None:
            file = work.rows("scores", len(query), (len(gallery),), torch.float32)
            stored = KeptScores(file, query_block, device)
        few = None
        if shortlist < 1:
            few = Shortlist(query.maps, gallery.maps, shortlist, device)
        blocks = score_blocks(
            matcher,
            query.maps,
            gallery.maps,
            first=stored.done,
            query_block=query_block,
            gallery_block=gallery_block,
            shortlist=few,
            device=device,
            ranks=ranks,
            progress=progress,
            what=f"{dataset.name}: matching",
        )
        if work is not None or measures.rerank or measures.tlift:
            blocks = stored.keeping(blocks)
        rankings = [("plain", measure(measures, blocks, identities))]
        more = refinements(
            matcher,
            query,
            gallery,
            stored,
            measures,
            device=device,
            block=gallery_block,
            kept=None if work is None else work.neighbors(),
            progress=progress,
            what=dataset.name,
        )
        rankings += [(name, measure(measures, again, identities)) for name, again in more]
        worth: tuple[str, ...] = ()
        if few is not None:
            sample = _sample(rankings[0][1])
            worth = (
                str(_kept(matcher, query, gallery, few, sample, measures, identities, device)),
            )
        matched = time.perf_counter()
        if on_features is not None:
            on_features(query, gallery)
    return EvaluationResult(
        dataset=dataset.name,
        root=dataset.root.resolve(),
        protocol=measures.protocol,
        every_crop=identities.every_crop,
        variant=variant_name(dataset.gallery[0].variant),
        area=measures.area,
        measured=tuple(Measured.of(*named, query.persons) for named in rankings),
        gallery=len(gallery),
        feature_seconds=extracted - started,
        matching_seconds=matched - extracted,
        notes=(
            *dataset.notes,
            *_notes(query, gallery, rankings[0][1], measures, every_crop=identities.every_crop),
            *worth,
            *finished,
        ),
    )


def score_blocks(
    matcher: nn.Module,
    query: Tensor,
    gallery: Tensor,
    *,
    first: int = 0,
    query_block: int = 256,
    gallery_block: int = 1024,
    shortlist: Shortlist | None = None,
    device: str | torch.device = "cpu",
    ranks: Ranks | None = None,
    progress: Progress | None = None,
    what: str = "matching",
) -> Iterator[Tensor]:
    """Scores of all pairs, a block of queries at a time, in evaluation mode, without a gradient.

    Args:
        matcher: ``[P, C, h, w]`` and ``[G, C, h, w]`` to scores ``[P, G]``, on ``device``.
        query: ``[Q, C, h, w]``, anywhere.
        gallery: ``[G, C, h, w]``, anywhere.
        first: the query to begin with.
        query_block: queries at a time.
        gallery_block: gallery maps at a time.
        shortlist: of these maps; None scores all exactly.
        device: where the matcher runs.
        ranks: the processes of a distributed run, which each match some of the blocks.
        progress: told after every block of queries.
        what: the name that ``progress`` is given.

    Yields:
        ``[query_block or fewer, G]`` float32 on ``device``; each is a new tensor.
    """
    ranks = ranks or Ranks()
    starts = range(first, len(query), query_block)
    for place in range(0, len(starts), ranks.size):
        turn = starts[place : place + ranks.size]  # a block for each process
        blocks = [
            torch.empty((len(query[start : start + query_block]), len(gallery)), device=device)
            for start in turn
        ]
        if ranks.rank < len(turn):
            own = query[turn[ranks.rank] :][:query_block].to(device)
            # The mode is set and restored within one step: after it the caller has control.
            with evaluation_mode(matcher), torch.no_grad():
                if shortlist is not None:
                    blocks[ranks.rank] = shortlist.scores(
                        matcher, turn[ranks.rank], own, gallery, gallery_block
                    )
                for left in range(0, len(gallery) if shortlist is None else 0, gallery_block):
                    columns = slice(left, left + gallery_block)
                    blocks[ranks.rank][:, columns] = matcher(own, gallery[columns].to(device))
        for source, (start, scores) in enumerate(zip(turn, blocks, strict=True)):
            yield ranks.sent(scores, source)
            if progress is not None:
                progress(what, start + len(scores), len(query))


#: Queries that a shortlist is held to exact scores on, and how many of their best are looked for.
_SAMPLE, _BEST = 64, 10


def _sample(ranking: Ranking) -> list[int]:
    """Queries that count, spread over all of them."""
    counted = (~torch.isnan(torch.as_tensor(ranking.average_precision))).nonzero()[:, 0]
    places = torch.linspace(0, len(counted) - 1, min(_SAMPLE, len(counted))).round().long()
    return counted[places].tolist()


def _kept(
    matcher: nn.Module,
    query: FeatureSet,
    gallery: FeatureSet,
    shortlist: Shortlist,
    sample: list[int],
    measures: Measures,
    identities: Identities,
    device: str | torch.device,
) -> Kept:
    """A shortlist against exact scores, on some queries."""
    exact = torch.cat(list(score_blocks(matcher, query.maps[sample], gallery.maps, device=device)))
    with evaluation_mode(matcher), torch.no_grad():
        parts = [
            shortlist.scores(matcher, n, query.maps[n : n + 1].to(device), gallery.maps, 1024)
            for n in sample
        ]
    by_shortlist, by_all = (
        measure(measures, [scores], identities, sample) for scores in (torch.cat(parts), exact)
    )
    best = min(_BEST, len(gallery))
    found = [
        torch.isin(row.topk(best).indices, shortlist.order(n)[: shortlist.count])
        for n, row in zip(sample, exact, strict=True)
    ]
    return Kept(
        shortlist.share,
        len(sample),
        best,
        float(torch.stack(found).float().mean()),
        by_shortlist.mAP - by_all.mAP,
    )


def _finished(dataset: ReidDataset, work: SetWork | None) -> tuple[str, ...]:
    """A note of what an earlier process finished, if it did."""
    if work is None:
        return ()
    maps, scores = work.done("query") + work.done("gallery"), work.done("scores")
    if not maps:
        return ()
    return (
        f"went on after {maps:,} of {len(dataset.query) + len(dataset.gallery):,} maps and the "
        f"scores of {scores:,} of {len(dataset.query):,} queries; seconds are of the rest",
    )


def _rehearse(
    network: nn.Module,
    matcher: nn.Module,
    height: int,
    width: int,
    device: str | torch.device,
    dtype: torch.dtype,
) -> torch.Size:
    """Match one blank image with itself, so that parts that do not fit show at once.

    Returns:
        The shape of its map.
    """
    with evaluation_mode(network, matcher), torch.no_grad():
        maps = network(torch.zeros(1, 3, height, width, device=device)).to(dtype)
        scores = matcher(maps, maps)
    if tuple(scores.shape) != (1, 1):
        raise ValueError(f"matcher: got scores {list(scores.shape)} for one pair, wanted [1, 1]")
    shape: torch.Size = maps.shape[1:]
    return shape


def _notes(
    query: FeatureSet,
    gallery: FeatureSet,
    ranking: Ranking,
    measures: Measures,
    *,
    every_crop: bool,
) -> tuple[str, ...]:
    notes = []
    # Every crop as query: the gallery has all images.
    query_known = [camera is not None for camera in query.cameras if not every_crop]
    gallery_known = [camera is not None for camera in gallery.cameras]
    known = query_known + gallery_known
    unknown = known.count(False)
    if every_crop:
        notes.append("every image is a query against all others")
    if measures.protocol == "none":
        notes.append(f"protocol none: no {'other ' if every_crop else ''}image is left out")
    elif not any(gallery_known) or not (every_crop or any(query_known)):
        notes.append("no cameras: same-camera rule off")
    elif unknown:
        notes.append(
            f"{unknown} of {len(known)} images have no camera: same-camera rule off for them"
        )
    if ranking.uncounted:
        notes.append(f"{ranking.uncounted} of {ranking.queries} queries have no match: not counted")
    if measures.area != "plain":
        notes.append(f"average precision by the {measures.area}")
    if measures.tlift and not has_times(query, gallery):
        notes.append("no times by cameras: TLift left out")
    return tuple(notes)
