// match_scores: one number per pair, the weighted sum of both its maxima (correlation_max.h).
//
//   scores[p, g] = (sum_s probe_weight[s] * over_gallery[p, g, s]
//                 + sum_r gallery_weight[r] * over_probe[p, g, r]) + bias
//
// The two sums are made by the same routine, in the same order: with equal weights the score of
// (p, g) and of (g, p) are the same bits. NaN, ties, empty, bits: as correlation_max.
// Nothing of size locations or locations^2 per pair reaches memory.
//
// pairwise_distance: distances[i, j] = -scores[i, j] of a set of maps with itself, one triangle
// computed and mirrored; the diagonal is computed too.
#pragma once

#include "core/types.h"

namespace qaconv {

struct MatchScoresParams {
    Maps probe;                  // [P, C, s]
    Maps gallery;                // [G, C, r]
    const void* probe_weight;    // [s] float or double
    const void* gallery_weight;  // [r]
    const void* bias;            // [1]
    void* scores;                // [P, G] float or double, contiguous
};

struct PairwiseDistanceParams {
    Maps features;       // [N, C, s]
    const void* weight;  // [s] float or double
    const void* bias;    // [1]
    void* distances;     // [N, N] float or double, contiguous
};

}  // namespace qaconv
