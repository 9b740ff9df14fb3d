#include "ops/cuda_call.h"
#include "ops/requests.h"

namespace qaconv {
namespace {

std::tuple<Tensor, Tensor, Tensor, Tensor> correlation_max(const Tensor& probe,
                                                           const Tensor& gallery) {
    const CorrelationMaxRequest request(probe, gallery);
    call_cuda(probe, request.params, cuda::correlation_max_workspace(request.params),
              cuda::correlation_max);
    return request.result();
}

std::tuple<Tensor, Tensor> correlation_max_backward(const Tensor& grad_over_gallery,
                                                    const Tensor& grad_over_probe,
                                                    const Tensor& probe, const Tensor& gallery,
                                                    const Tensor& gallery_index,
                                                    const Tensor& probe_index, bool want_probe,
                                                    bool want_gallery) {
    const CorrelationMaxBackwardRequest request(grad_over_gallery, grad_over_probe, probe, gallery,
                                                gallery_index, probe_index, want_probe,
                                                want_gallery);
    call_cuda(probe, request.params, cuda::correlation_max_backward_workspace(request.params),
              cuda::correlation_max_backward);
    return request.result();
}

std::tuple<Tensor, Tensor> correlation_max_self(const Tensor& features) {
    const CorrelationMaxSelfRequest request(features);
    call_cuda(features, request.params, cuda::correlation_max_self_workspace(request.params),
              cuda::correlation_max_self);
    return request.result();
}

Tensor correlation_max_self_backward(const Tensor& grad_maxima, const Tensor& features,
                                     const Tensor& index) {
    const CorrelationMaxSelfBackwardRequest request(grad_maxima, features, index);
    call_cuda(features, request.params,
              cuda::correlation_max_self_backward_workspace(request.params),
              cuda::correlation_max_self_backward);
    return request.grad_features;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(qaconv, CUDA, m) {
    m.impl("correlation_max", TORCH_BOX(&correlation_max));
    m.impl("correlation_max_backward", TORCH_BOX(&correlation_max_backward));
    m.impl("correlation_max_self", TORCH_BOX(&correlation_max_self));
    m.impl("correlation_max_self_backward", TORCH_BOX(&correlation_max_self_backward));
}

}  // namespace qaconv
