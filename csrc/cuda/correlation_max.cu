#include "cuda/device/best_partner.cuh"
#include "cuda/device/pair_grid.cuh"
#include "cuda/kernels.h"
#include "cuda/pack.h"

namespace qaconv::cuda {
namespace {

// Where one direction of the result goes: values and positions, [pairs][places].
template <typename T>
struct Plane {
    T* values;
    void* indices;
    int64_t places;
    bool byte;

    __device__ void store(int64_t pair, int64_t place, const Maximum<T>& best) const {
        const int64_t at = pair * places + place;
        values[at] = best.value;
        if (byte) {
            static_cast<uint8_t*>(indices)[at] = static_cast<uint8_t>(best.index);
        } else {
            static_cast<int16_t*>(indices)[at] = static_cast<int16_t>(best.index);
        }
    }
};

template <typename T>
__global__ void correlation_max_kernel(const T* probe, const T* gallery, int64_t probes,
                                       int64_t galleries, int64_t channels, Plane<T> over_gallery,
                                       Plane<T> over_probe) {
    for (int64_t pair = blockIdx.x; pair < probes * galleries; pair += gridDim.x) {
        const int64_t p = pair / galleries, g = pair % galleries;
        const PackedMap<T> a{probe + p * over_gallery.places * channels, over_gallery.places};
        const PackedMap<T> b{gallery + g * over_probe.places * channels, over_probe.places};
        for_each_best_partner(a, b, channels, [&](int64_t place, const Maximum<T>& best) {
            over_gallery.store(pair, place, best);
        });
        for_each_best_partner(b, a, channels, [&](int64_t place, const Maximum<T>& best) {
            over_probe.store(pair, place, best);
        });
    }
}

// One direction of every pair is what is stored, so there is no triangle to save here: each block
// computes one pair's own places, (p, g) and (g, p) being two pairs.
template <typename T>
__global__ void correlation_max_self_kernel(const T* maps, int64_t count, int64_t channels,
                                            Plane<T> maxima) {
    const int64_t size = maxima.places * channels;
    for (int64_t pair = blockIdx.x; pair < count * count; pair += gridDim.x) {
        const PackedMap<T> a{maps + pair / count * size, maxima.places};
        const PackedMap<T> b{maps + pair % count * size, maxima.places};
        for_each_best_partner(a, b, channels, [&](int64_t place, const Maximum<T>& best) {
            maxima.store(pair, place, best);
        });
    }
}

template <typename T>
Status correlation_max_as(const CorrelationMaxParams& params, T* workspace, cudaStream_t stream) {
    const Maps &probe = params.probe, &gallery = params.gallery;
    if (probe.count == 0 || gallery.count == 0) return Status::kOk;
    T* packed_gallery = workspace + packed_size(probe);
    Status status = pack<T>(probe, workspace, stream);
    if (status == Status::kOk) status = pack<T>(gallery, packed_gallery, stream);
    if (status != Status::kOk) return status;
    const Plane<T> over_gallery{static_cast<T*>(params.over_gallery), params.gallery_index,
                                probe.places, index_is_byte(gallery.places)};
    const Plane<T> over_probe{static_cast<T*>(params.over_probe), params.probe_index,
                              gallery.places, index_is_byte(probe.places)};
    correlation_max_kernel<T>
        <<<blocks_for(probe.count * gallery.count), dim3(kTile, kTile), 0, stream>>>(
            workspace, packed_gallery, probe.count, gallery.count, probe.channels, over_gallery,
            over_probe);
    return launch_status();
}

template <typename T>
Status correlation_max_self_as(const CorrelationMaxSelfParams& params, T* workspace,
                               cudaStream_t stream) {
    const Maps& maps = params.features;
    if (maps.count == 0) return Status::kOk;
    const Status status = pack<T>(maps, workspace, stream);
    if (status != Status::kOk) return status;
    const Plane<T> maxima{static_cast<T*>(params.maxima), params.index, maps.places,
                          index_is_byte(maps.places)};
    correlation_max_self_kernel<T>
        <<<blocks_for(maps.count * maps.count), dim3(kTile, kTile), 0, stream>>>(
            workspace, maps.count, maps.channels, maxima);
    return launch_status();
}

}  // namespace

int64_t correlation_max_workspace(const CorrelationMaxParams& params) {
    return packed_bytes(params.probe) + packed_bytes(params.gallery);
}

Status correlation_max(const CorrelationMaxParams& params, void* workspace, Stream stream) {
    const auto cuda_stream = static_cast<cudaStream_t>(stream);
    return computes_in_double(params.probe.dtype)
               ? correlation_max_as(params, static_cast<double*>(workspace), cuda_stream)
               : correlation_max_as(params, static_cast<float*>(workspace), cuda_stream);
}

int64_t correlation_max_self_workspace(const CorrelationMaxSelfParams& params) {
    return packed_bytes(params.features);
}

Status correlation_max_self(const CorrelationMaxSelfParams& params, void* workspace,
                            Stream stream) {
    const auto cuda_stream = static_cast<cudaStream_t>(stream);
    return computes_in_double(params.features.dtype)
               ? correlation_max_self_as(params, static_cast<double*>(workspace), cuda_stream)
               : correlation_max_self_as(params, static_cast<float*>(workspace), cuda_stream);
}

}  // namespace qaconv::cuda
