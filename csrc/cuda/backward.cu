// The backward of correlation_max: owners gather (device/gather.cuh), from the partners as rows.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <utility>

#include "cuda/device/gather.cuh"
#include "cuda/kernels.h"
#include "cuda/residency.h"
#include "cuda/rows.h"
#include "cuda/status.h"
#include "cuda/tensor_pairs.h"

namespace qaconv::cuda {
namespace {

// Partners of a window whose rows are staged, where the device can copy them in bulk; 0 where they
// cannot be, or would lose: rows of 4 bytes a number, and slabs, of which each copies whole
// partners (docs/kernels.md has the figures).
template <typename Element>
int staged_partners(const Gather<Sum<Element>>& job, int64_t slab) {
    if (sizeof(Element) != 2 || job.channels > kSlabChannels || !has_hopper_variant()) return 0;
    if (job.own_maps < facts_of_device().processors) return 0;
    const int64_t room = facts_of_device().shared_memory - int64_t(sizeof(Shared<Element, true>));
    const int64_t fit = (room - 128) / 2 / (job.at_partner.locations * job.row_bytes);
    return static_cast<int>(std::min(fit, kWindow / (slab + job.at_partner.locations)));
}

template <typename Element, bool kStaged>
Status launch_kernel(void (*kernel)(Gather<Sum<Element>>), Gather<Sum<Element>> job,
                     cudaStream_t stream) {
    using Of = Share<Element, kStaged>;
    const int64_t locations = job.at_own.locations;
    const int64_t rest = job.own_maps * ((job.channels + kSlabChannels - 1) / kSlabChannels);
    const int64_t least = (locations + Of::kSlabLocations - 1) / Of::kSlabLocations;
    const int64_t most = (locations + Of::kGroups - 1) / Of::kGroups;
    // Where maps are few, their locations are cut into more slabs, down to one location a group of
    // lanes, as long as the device holds all of them at once.
    const int64_t wanted = residency_of(reinterpret_cast<const void*>(kernel), kThreads, 0).slots();
    const int64_t slabs = std::clamp(wanted / rest, least, most);
    const int64_t rounds = (locations + slabs * Of::kGroups - 1) / (slabs * Of::kGroups);
    job.slab = static_cast<int>(rounds * Of::kGroups);
    job.slabs = (locations + job.slab - 1) / job.slab;
    job.reciprocal = reciprocal_of(job.slab + job.at_partner.locations);
    job.window_partners = kStaged ? staged_partners<Element>(job, job.slab) : 0;
    const int64_t bytes = 2 * job.window_partners * job.at_partner.locations * job.row_bytes;
    const auto blocks = static_cast<unsigned>(std::min<int64_t>(rest * job.slabs, 1 << 20));
    return cuda::launch(kernel, blocks, kThreads, bytes, stream, job);
}

template <typename Element>
Status launch(const Gather<Sum<Element>>& job, cudaStream_t stream) {
    if constexpr (sizeof(Element) == 2) {
        // Of the widest slab the fewest partners fit a window.
        if (staged_partners<Element>(job, Share<Element, true>::kSlabLocations) > 0) {
            return launch_kernel<Element, true>(staged_gather_kernel<Element>, job, stream);
        }
    }
    return launch_kernel<Element, false>(gather_kernel<Element>, job, stream);
}

Status launch(const Gather<float>& job, DType dtype, cudaStream_t stream) {
    switch (dtype) {
        case DType::kFloat16:
            return launch<__half>(job, stream);
        case DType::kBFloat16:
            return launch<__nv_bfloat16>(job, stream);
        case DType::kFloat32:
        case DType::kFloat64:  // summed in double, below
            break;
    }
    return launch<float>(job, stream);
}

Status launch(const Gather<double>& job, DType, cudaStream_t stream) {
    return launch<double>(job, stream);
}

// The maxima at the locations of `winning` maps, found among the locations of `others`.
template <typename T>
Winners<T> winners(const void* gradient, const void* index, const Maps& winning,
                   const Maps& others) {
    Winners<T> result{};
    result.gradient = static_cast<const T*>(gradient);
    result.index = index;
    result.locations = winning.locations;
    result.byte = index_is_byte(others.locations);
    return result;
}

template <typename T>
Gather<T> owner(const Winners<T>& at_own, const Winners<T>& at_partner, const Maps& own) {
    Gather<T> job{};
    job.at_own = at_own;
    job.at_partner = at_partner;
    job.own_maps = own.count;
    return job;
}

// The workspace holds the partners as rows.
template <typename T>
Status gather(Gather<T> job, const Maps& partner, void* workspace, void* out, cudaStream_t stream) {
    if (job.own_maps == 0) return Status::kOk;
    const Status status = copy_rows(partner, workspace, stream);
    if (status != Status::kOk) return status;
    job.partners = partner.count;
    job.channels = partner.channels;
    job.rows = static_cast<const char*>(workspace);
    job.row_bytes = row_bytes(partner);
    job.out = static_cast<T*>(out);
    return launch(job, partner.dtype, stream);
}

template <typename T>
Status backward_as(const CorrelationMaxBackwardParams& params, void* workspace,
                   cudaStream_t stream) {
    const Maps &probe = params.probe, &gallery = params.gallery;
    // Both as seen from a probe; from a gallery map the strides are exchanged.
    auto at_probe = winners<T>(params.grad_over_gallery, params.gallery_index, probe, gallery);
    at_probe.own_stride = gallery.count * probe.locations;
    at_probe.partner_stride = probe.locations;
    auto at_gallery = winners<T>(params.grad_over_probe, params.probe_index, gallery, probe);
    at_gallery.own_stride = gallery.count * gallery.locations;
    at_gallery.partner_stride = gallery.locations;
    Status status = Status::kOk;
    if (params.grad_probe != nullptr) {
        status = gather<T>(owner(at_probe, at_gallery, probe), gallery, workspace,
                           params.grad_probe, stream);
    }
    // The second side uses the same workspace: the stream runs them one after the other.
    if (status == Status::kOk && params.grad_gallery != nullptr) {
        std::swap(at_probe.own_stride, at_probe.partner_stride);
        std::swap(at_gallery.own_stride, at_gallery.partner_stride);
        status = gather<T>(owner(at_gallery, at_probe, gallery), probe, workspace,
                           params.grad_gallery, stream);
    }
    return status;
}

template <typename T>
Status self_backward_as(const CorrelationMaxSelfBackwardParams& params, void* workspace,
                        cudaStream_t stream) {
    const Maps& maps = params.features;
    // One plane: what a partner's locations won is found with the pair transposed.
    auto at_own = winners<T>(params.grad_maxima, params.index, maps, maps);
    at_own.own_stride = maps.count * maps.locations;
    at_own.partner_stride = maps.locations;
    auto at_partner = at_own;
    std::swap(at_partner.own_stride, at_partner.partner_stride);
    return gather<T>(owner(at_own, at_partner, maps), maps, workspace, params.grad_features,
                     stream);
}

}  // namespace

// One side at a time; of a side the partners as rows.
int64_t correlation_max_backward_workspace(const CorrelationMaxBackwardParams& params) {
    return std::max(rows_bytes(params.probe), rows_bytes(params.gallery));
}

Status correlation_max_backward(const CorrelationMaxBackwardParams& params, void* workspace,
                                Stream stream) {
    const auto cuda_stream = static_cast<cudaStream_t>(stream);
    return computes_in_double(params.probe.dtype)
               ? backward_as<double>(params, workspace, cuda_stream)
               : backward_as<float>(params, workspace, cuda_stream);
}

int64_t correlation_max_self_backward_workspace(const CorrelationMaxSelfBackwardParams& params) {
    return rows_bytes(params.features);
}

Status correlation_max_self_backward(const CorrelationMaxSelfBackwardParams& params,
                                     void* workspace, Stream stream) {
    const auto cuda_stream = static_cast<cudaStream_t>(stream);
    return computes_in_double(params.features.dtype)
               ? self_backward_as<double>(params, workspace, cuda_stream)
               : self_backward_as<float>(params, workspace, cuda_stream);
}

}  // namespace qaconv::cuda
