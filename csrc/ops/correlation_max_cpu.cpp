#include "cpu/kernels.h"
#include "ops/cpu_call.h"
#include "ops/requests.h"

namespace qaconv {
namespace {

std::tuple<Tensor, Tensor, Tensor, Tensor> correlation_max(const Tensor& probe,
                                                           const Tensor& gallery) {
    const CorrelationMaxRequest request(probe, gallery);
    check_cpu(cpu::correlation_max(request.params, torch_threads));
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
    check_cpu(cpu::correlation_max_backward(request.params, torch_threads));
    return request.result();
}

std::tuple<Tensor, Tensor> correlation_max_self(const Tensor& features) {
    const CorrelationMaxSelfRequest request(features);
    check_cpu(cpu::correlation_max_self(request.params, torch_threads));
    return request.result();
}

Tensor correlation_max_self_backward(const Tensor& grad_maxima, const Tensor& features,
                                     const Tensor& index) {
    const CorrelationMaxSelfBackwardRequest request(grad_maxima, features, index);
    check_cpu(cpu::correlation_max_self_backward(request.params, torch_threads));
    return request.grad_features;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(qaconv, CPU, m) {
    m.impl("correlation_max", TORCH_BOX(&correlation_max));
    m.impl("correlation_max_backward", TORCH_BOX(&correlation_max_backward));
    m.impl("correlation_max_self", TORCH_BOX(&correlation_max_self));
    m.impl("correlation_max_self_backward", TORCH_BOX(&correlation_max_self_backward));
}

}  // namespace qaconv
