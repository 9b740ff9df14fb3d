#include "cpu/head.h"
#include "cpu/kernels.h"
#include "cpu/pairs.h"

namespace qaconv::cpu {
namespace {

template <typename T>
Status match_scores_as(const MatchScoresParams& params, ParallelFor parallel_for) {
    const Head<T> head{static_cast<const T*>(params.probe_weight),
                       static_cast<const T*>(params.gallery_weight),
                       *static_cast<const T*>(params.bias)};
    T* scores = static_cast<T*>(params.scores);
    const Maps &probe = params.probe, &gallery = params.gallery;
    return walk_pairs(FullPairs<T, false>(), probe, gallery, false, parallel_for,
                      [=](int64_t p, int64_t g, const PairMaxima<T>& maxima) {
                          scores[p * gallery.count + g] =
                              head.score(maxima, probe.locations, gallery.locations);
                      });
}

template <typename T>
Status pairwise_distance_as(const PairwiseDistanceParams& params, ParallelFor parallel_for) {
    const T* weight = static_cast<const T*>(params.weight);
    const Head<T> head{weight, weight, *static_cast<const T*>(params.bias)};
    T* distances = static_cast<T*>(params.distances);
    const Maps& maps = params.features;
    return walk_pairs(FullPairs<T, false>(), maps, maps, true, parallel_for,
                      [=](int64_t i, int64_t j, const PairMaxima<T>& maxima) {
                          distances[i * maps.count + j] = distances[j * maps.count + i] =
                              -head.score(maxima, maps.locations, maps.locations);
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
