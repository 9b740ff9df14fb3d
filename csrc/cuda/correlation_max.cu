#include "cuda/device/epilogues.cuh"
#include "cuda/forward.h"
#include "cuda/kernels.h"

namespace qaconv::cuda {
namespace {

template <typename T>
Plane<T> plane(void* values, void* indices, const Maps& own, const Maps& partner) {
    return {static_cast<T*>(values), indices, static_cast<int32_t>(own.locations),
            index_is_byte(partner.locations)};
}

template <typename T>
Status run(const CorrelationMaxParams& params, void* workspace, cudaStream_t stream) {
    const Maps &probe = params.probe, &gallery = params.gallery;
    const Planes<T> planes{plane<T>(params.over_gallery, params.gallery_index, probe, gallery),
                           plane<T>(params.over_probe, params.probe_index, gallery, probe),
                           gallery.count, false};
    return for_each_pair(probe, gallery, false, planes, workspace, stream);
}

template <typename T>
Status run(const CorrelationMaxSelfParams& params, void* workspace, cudaStream_t stream) {
    const Maps& maps = params.features;
    const Plane<T> one = plane<T>(params.maxima, params.index, maps, maps);
    return for_each_pair(maps, maps, true, Planes<T>{one, one, maps.count, true}, workspace,
                         stream);
}

}  // namespace

int64_t correlation_max_workspace(const CorrelationMaxParams& params) {
    return forward_workspace(params.probe, params.gallery, false);
}

Status correlation_max(const CorrelationMaxParams& params, void* workspace, Stream stream) {
    const auto cuda_stream = static_cast<cudaStream_t>(stream);
    return computes_in_double(params.probe.dtype) ? run<double>(params, workspace, cuda_stream)
                                                  : run<float>(params, workspace, cuda_stream);
}

int64_t correlation_max_self_workspace(const CorrelationMaxSelfParams& params) {
    return forward_workspace(params.features, params.features, true);
}

Status correlation_max_self(const CorrelationMaxSelfParams& params, void* workspace,
                            Stream stream) {
    const auto cuda_stream = static_cast<cudaStream_t>(stream);
    return computes_in_double(params.features.dtype) ? run<double>(params, workspace, cuda_stream)
                                                     : run<float>(params, workspace, cuda_stream);
}

}  // namespace qaconv::cuda
