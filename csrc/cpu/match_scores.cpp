#include "cpu/kernels.h"
#include "cpu/pairs.h"

namespace qaconv::cpu {
namespace {

// Four running sums: quick, and the same order whichever side of a pair it is called for.
template <typename T>
T weighed_sum(const T* weight, const T* maxima, int64_t count) {
    T sums[4] = {};
    int64_t k = 0;
    for (; k + 4 <= count; k += 4) {
        for (int64_t lane = 0; lane < 4; ++lane) {
            sums[lane] += weight[k + lane] * maxima[k + lane];
        }
    }
    for (; k < count; ++k) sums[k % 4] += weight[k] * maxima[k];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// The head on the maxima of one pair: both ops go through here, so that a distance is minus a score
// bit for bit.
template <typename T>
struct Head {
    const T* row_weight;
    const T* column_weight;
    T bias;

    T score(const PairMaxima<T>& maxima, int64_t rows, int64_t columns) const {
        return (weighed_sum(row_weight, maxima.over_columns, rows) +
                weighed_sum(column_weight, maxima.over_rows, columns)) +
               bias;
    }
};

template <typename T>
Status match_scores_as(const MatchScoresParams& params, ParallelFor parallel_for) {
    const Head<T> head{static_cast<const T*>(params.probe_weight),
                       static_cast<const T*>(params.gallery_weight),
                       *static_cast<const T*>(params.bias)};
    T* scores = static_cast<T*>(params.scores);
    const Maps &probe = params.probe, &gallery = params.gallery;
    return walk_pairs<T, false>(probe, gallery, false, parallel_for,
                                [=](int64_t p, int64_t g, const PairMaxima<T>& maxima) {
                                    scores[p * gallery.count + g] =
                                        head.score(maxima, probe.places, gallery.places);
                                });
}

template <typename T>
Status pairwise_distance_as(const PairwiseDistanceParams& params, ParallelFor parallel_for) {
    const T* weight = static_cast<const T*>(params.weight);
    const Head<T> head{weight, weight, *static_cast<const T*>(params.bias)};
    T* distances = static_cast<T*>(params.distances);
    const Maps& maps = params.features;
    return walk_pairs<T, false>(maps, maps, true, parallel_for,
                                [=](int64_t i, int64_t j, const PairMaxima<T>& maxima) {
                                    distances[i * maps.count + j] = distances[j * maps.count + i] =
                                        -head.score(maxima, maps.places, maps.places);
                                });
}

}  // namespace

Status match_scores(const MatchScoresParams& params, ParallelFor parallel_for) {
    return computes_in_double(params.probe.dtype) ? match_scores_as<double>(params, parallel_for)
                                                  : match_scores_as<float>(params, parallel_for);
}

Status pairwise_distance(const PairwiseDistanceParams& params, ParallelFor parallel_for) {
    return computes_in_double(params.features.dtype)
               ? pairwise_distance_as<double>(params, parallel_for)
               : pairwise_distance_as<float>(params, parallel_for);
}

}  // namespace qaconv::cpu
