#include "ops/cuda_call.h"
#include "ops/requests.h"

namespace qaconv {
namespace {

Tensor match_scores(const Tensor& probe, const Tensor& gallery, const Tensor& probe_weight,
                    const Tensor& gallery_weight, const Tensor& bias) {
    const MatchScoresRequest request(probe, gallery, probe_weight, gallery_weight, bias);
    call_cuda(probe, request.params, cuda::match_scores_workspace(request.params),
              cuda::match_scores);
    return request.scores;
}

Tensor pairwise_distance(const Tensor& features, const Tensor& weight, const Tensor& bias) {
    const PairwiseDistanceRequest request(features, weight, bias);
    call_cuda(features, request.params, cuda::pairwise_distance_workspace(request.params),
              cuda::pairwise_distance);
    return request.distances;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(qaconv, CUDA, m) {
    m.impl("match_scores", TORCH_BOX(&match_scores));
    m.impl("pairwise_distance", TORCH_BOX(&pairwise_distance));
}

}  // namespace qaconv
