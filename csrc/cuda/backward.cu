// The backward of correlation_max: a thread owns one channel of one map and sums its gradient over
// the partners in ascending order, so no atomics are needed and the bits never change.
#include <algorithm>
#include <utility>

#include "cuda/kernels.h"
#include "cuda/pack.h"

namespace qaconv::cuda {
namespace {

constexpr int kThreads = 128;

__device__ int64_t position(const void* indices, int64_t at, bool byte) {
    return byte ? static_cast<const uint8_t*>(indices)[at]
                : static_cast<const int16_t*>(indices)[at];
}

// The gradient of one direction's maxima, [pairs][places], and where they were found. The pair of
// own map n and partner m is n * own_step + m * partner_step.
template <typename T>
struct Winners {
    const T* gradient;
    const void* index;
    int64_t places;
    bool byte;
    int64_t own_step, partner_step;

    __device__ int64_t at(int64_t own, int64_t partner) const {
        return (own * own_step + partner * partner_step) * places;
    }
};

template <typename T>
struct Gather {
    Winners<T> at_own;      // maxima at own places, won by partner places
    Winners<T> at_partner;  // the other way round
    int64_t own_maps, partners, channels;
    const T* partner_maps;  // [partners][partner places][channels]
    T* sums;                // [own maps][own places][channels]
};

template <typename T>
__global__ void gather_kernel(Gather<T> job) {
    const int64_t chunks = (job.channels + blockDim.x - 1) / blockDim.x;
    const int64_t own_places = job.at_own.places, partner_places = job.at_partner.places;
    for (int64_t block = blockIdx.x; block < job.own_maps * chunks; block += gridDim.x) {
        const int64_t n = block / chunks;
        const int64_t c = block % chunks * blockDim.x + threadIdx.x;
        if (c >= job.channels) continue;
        T* sums = job.sums + n * own_places * job.channels + c;
        for (int64_t s = 0; s < own_places; ++s) sums[s * job.channels] = 0;
        for (int64_t m = 0; m < job.partners; ++m) {
            const T* partner = job.partner_maps + m * partner_places * job.channels + c;
            int64_t first = job.at_own.at(n, m);
            for (int64_t s = 0; s < own_places; ++s) {
                const T gradient = job.at_own.gradient[first + s];
                if (gradient == 0) continue;
                const int64_t r = position(job.at_own.index, first + s, job.at_own.byte);
                sums[s * job.channels] =
                    fma(gradient, partner[r * job.channels], sums[s * job.channels]);
            }
            first = job.at_partner.at(n, m);
            for (int64_t r = 0; r < partner_places; ++r) {
                const T gradient = job.at_partner.gradient[first + r];
                if (gradient == 0) continue;
                const int64_t s = position(job.at_partner.index, first + r, job.at_partner.byte);
                sums[s * job.channels] =
                    fma(gradient, partner[r * job.channels], sums[s * job.channels]);
            }
        }
    }
}

// Workspace of one side: the partners packed, then the sums.
template <typename T>
Status gather(Gather<T> job, const Maps& partner, T* workspace, void* out, cudaStream_t stream) {
    if (job.own_maps == 0) return Status::kOk;
    Status status = pack<T>(partner, workspace, stream);
    if (status != Status::kOk) return status;
    job.partner_maps = workspace;
    job.sums = workspace + packed_size(partner);
    const int64_t blocks = job.own_maps * ((job.channels + kThreads - 1) / kThreads);
    gather_kernel<T>
        <<<static_cast<unsigned>(std::min<int64_t>(blocks, 1 << 20)), kThreads, 0, stream>>>(job);
    status = launch_status();
    if (status != Status::kOk) return status;
    // [n][place][channel] to [n][channel][place]: packing with the two names exchanged.
    Maps sums;
    sums.data = job.sums;
    sums.dtype = partner.dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
    sums.count = job.own_maps;
    sums.channels = job.at_own.places;
    sums.places = job.channels;
    sums.map_stride = job.at_own.places * job.channels;
    sums.channel_stride = job.channels;
    sums.place_stride = 1;
    return pack<T>(sums, static_cast<T*>(out), stream);
}

template <typename T>
Status backward_as(const CorrelationMaxBackwardParams& params, T* workspace, cudaStream_t stream) {
    const Maps &probe = params.probe, &gallery = params.gallery;
    // Both as seen from a probe; from a gallery map the steps are exchanged.
    Winners<T> at_probe{static_cast<const T*>(params.grad_over_gallery),
                        params.gallery_index,
                        probe.places,
                        index_is_byte(gallery.places),
                        gallery.count,
                        1};
    Winners<T> at_gallery{static_cast<const T*>(params.grad_over_probe),
                          params.probe_index,
                          gallery.places,
                          index_is_byte(probe.places),
                          gallery.count,
                          1};
    Status status = Status::kOk;
    if (params.grad_probe != nullptr) {
        status = gather<T>(
            {at_probe, at_gallery, probe.count, gallery.count, probe.channels, nullptr, nullptr},
            gallery, workspace, params.grad_probe, stream);
    }
    // The second side uses the same workspace: the stream runs them one after the other.
    if (status == Status::kOk && params.grad_gallery != nullptr) {
        std::swap(at_probe.own_step, at_probe.partner_step);
        std::swap(at_gallery.own_step, at_gallery.partner_step);
        status = gather<T>(
            {at_gallery, at_probe, gallery.count, probe.count, probe.channels, nullptr, nullptr},
            probe, workspace, params.grad_gallery, stream);
    }
    return status;
}

template <typename T>
Status self_backward_as(const CorrelationMaxSelfBackwardParams& params, T* workspace,
                        cudaStream_t stream) {
    const Maps& maps = params.features;
    const T* gradient = static_cast<const T*>(params.grad_maxima);
    const bool byte = index_is_byte(maps.places);
    // One plane: what a partner's places won is found with the pair turned round.
    const Winners<T> at_own{gradient, params.index, maps.places, byte, maps.count, 1};
    const Winners<T> at_partner{gradient, params.index, maps.places, byte, 1, maps.count};
    return gather<T>({at_own, at_partner, maps.count, maps.count, maps.channels, nullptr, nullptr},
                     maps, workspace, params.grad_features, stream);
}

}  // namespace

int64_t correlation_max_backward_workspace(const CorrelationMaxBackwardParams& params) {
    return packed_bytes(params.probe) + packed_bytes(params.gallery);
}

Status correlation_max_backward(const CorrelationMaxBackwardParams& params, void* workspace,
                                Stream stream) {
    const auto cuda_stream = static_cast<cudaStream_t>(stream);
    return computes_in_double(params.probe.dtype)
               ? backward_as(params, static_cast<double*>(workspace), cuda_stream)
               : backward_as(params, static_cast<float*>(workspace), cuda_stream);
}

int64_t correlation_max_self_backward_workspace(const CorrelationMaxSelfBackwardParams& params) {
    return 2 * packed_bytes(params.features);
}

Status correlation_max_self_backward(const CorrelationMaxSelfBackwardParams& params,
                                     void* workspace, Stream stream) {
    const auto cuda_stream = static_cast<cudaStream_t>(stream);
    return computes_in_double(params.features.dtype)
               ? self_backward_as(params, static_cast<double*>(workspace), cuda_stream)
               : self_backward_as(params, static_cast<float*>(workspace), cuda_stream);
}

}  // namespace qaconv::cuda
