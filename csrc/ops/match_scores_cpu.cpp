#include "cpu/kernels.h"
#include "ops/cpu_call.h"
#include "ops/requests.h"

namespace qaconv {
namespace {

Tensor match_scores(const Tensor& probe, const Tensor& gallery, const Tensor& probe_weight,
                    const Tensor& gallery_weight, const Tensor& bias) {
    const MatchScoresRequest request(probe, gallery, probe_weight, gallery_weight, bias);
    check_cpu(cpu::match_scores(request.params, torch_threads));
    return request.scores;
}

Tensor pairwise_distance(const Tensor& features, const Tensor& weight, const Tensor& bias) {
    const PairwiseDistanceRequest request(features, weight, bias);
    check_cpu(cpu::pairwise_distance(request.params, torch_threads));
    return request.distances;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(qaconv, CPU, m) {
    m.impl("match_scores", TORCH_BOX(&match_scores));
    m.impl("pairwise_distance", TORCH_BOX(&pairwise_distance));
}

}  // namespace qaconv
