#include "cuda/device/epilogues.cuh"
#include "cuda/forward.h"
#include "cuda/kernels.h"

namespace qaconv::cuda {
namespace {

template <typename T>
Status run(const MatchScoresParams& params, void* workspace, cudaStream_t stream) {
    const Maps &probe = params.probe, &gallery = params.gallery;
    const Scores<T> scores{static_cast<const T*>(params.probe_weight),
                           static_cast<const T*>(params.gallery_weight),
                           static_cast<const T*>(params.bias),
                           static_cast<T*>(params.scores),
                           static_cast<int32_t>(probe.locations),
                           static_cast<int32_t>(gallery.locations),
                           gallery.count,
                           false};
    return for_each_pair(probe, gallery, false, scores, workspace, stream);
}

template <typename T>
Status run(const PairwiseDistanceParams& params, void* workspace, cudaStream_t stream) {
    const Maps& maps = params.features;
    const auto* weight = static_cast<const T*>(params.weight);
    const auto locations = static_cast<int32_t>(maps.locations);
    const Scores<T> scores{weight,
                           weight,
                           static_cast<const T*>(params.bias),
                           static_cast<T*>(params.distances),
                           locations,
                           locations,
                           maps.count,
                           true};
    return for_each_pair(maps, maps, true, scores, workspace, stream);
}

}  // namespace

int64_t match_scores_workspace(const MatchScoresParams& params) {
    return forward_workspace(params.probe, params.gallery, false);
}

Status match_scores(const MatchScoresParams& params, void* workspace, Stream stream) {
    const auto cuda_stream = static_cast<cudaStream_t>(stream);
    return computes_in_double(params.probe.dtype) ? run<double>(params, workspace, cuda_stream)
                                                  : run<float>(params, workspace, cuda_stream);
}

int64_t pairwise_distance_workspace(const PairwiseDistanceParams& params) {
    return forward_workspace(params.features, params.features, true);
}

Status pairwise_distance(const PairwiseDistanceParams& params, void* workspace, Stream stream) {
    const auto cuda_stream = static_cast<cudaStream_t>(stream);
    return computes_in_double(params.features.dtype) ? run<double>(params, workspace, cuda_stream)
                                                     : run<float>(params, workspace, cuda_stream);
}

}  // namespace qaconv::cuda
