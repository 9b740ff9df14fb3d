// The operators, written once for all devices: a request, the device's kernel on its params, what
// the request allocated. Device is a table: a member of each operator's name, called with the maps
// (for where they are) and the params.
#pragma once

#include "ops/requests.h"

namespace qaconv {

template <typename Device>
struct Operators {
    static std::tuple<Tensor, Tensor, Tensor, Tensor> correlation_max(const Tensor& probe,
                                                                      const Tensor& gallery) {
        const CorrelationMaxRequest request(probe, gallery);
        Device::correlation_max(probe, request.params);
        return request.result();
    }

    static std::tuple<Tensor, Tensor> correlation_max_backward(
        const Tensor& grad_over_gallery, const Tensor& grad_over_probe, const Tensor& probe,
        const Tensor& gallery, const Tensor& gallery_index, const Tensor& probe_index,
        bool want_probe, bool want_gallery) {
        const CorrelationMaxBackwardRequest request(grad_over_gallery, grad_over_probe, probe,
                                                    gallery, gallery_index, probe_index, want_probe,
                                                    want_gallery);
        Device::correlation_max_backward(probe, request.params);
        return request.result();
    }

    static std::tuple<Tensor, Tensor> correlation_max_self(const Tensor& features) {
        const CorrelationMaxSelfRequest request(features);
        Device::correlation_max_self(features, request.params);
        return request.result();
    }

    static Tensor correlation_max_self_backward(const Tensor& grad_maxima, const Tensor& features,
                                                const Tensor& index) {
        const CorrelationMaxSelfBackwardRequest request(grad_maxima, features, index);
        Device::correlation_max_self_backward(features, request.params);
        return request.grad_features;
    }

    static Tensor match_scores(const Tensor& probe, const Tensor& gallery,
                               const Tensor& probe_weight, const Tensor& gallery_weight,
                               const Tensor& bias) {
        const MatchScoresRequest request(probe, gallery, probe_weight, gallery_weight, bias);
        Device::match_scores(probe, request.params);
        return request.scores;
    }

    static Tensor pairwise_distance(const Tensor& features, const Tensor& weight,
                                    const Tensor& bias) {
        const PairwiseDistanceRequest request(features, weight, bias);
        Device::pairwise_distance(features, request.params);
        return request.distances;
    }

    template <typename Library>
    static void implement(Library& m) {
        m.impl("correlation_max", TORCH_BOX(&Operators::correlation_max));
        m.impl("correlation_max_backward", TORCH_BOX(&Operators::correlation_max_backward));
        m.impl("correlation_max_self", TORCH_BOX(&Operators::correlation_max_self));
        m.impl("correlation_max_self_backward",
               TORCH_BOX(&Operators::correlation_max_self_backward));
        m.impl("match_scores", TORCH_BOX(&Operators::match_scores));
        m.impl("pairwise_distance", TORCH_BOX(&Operators::pairwise_distance));
    }
};

}  // namespace qaconv
