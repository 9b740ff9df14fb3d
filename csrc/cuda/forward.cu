#include "cuda/forward.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "cuda/device/sinks.cuh"
#include "cuda/kernels.h"
#include "cuda/plain.h"
#include "cuda/status.h"
#include "cuda/tensor_pairs.h"

namespace qaconv::cuda {
namespace {

std::atomic<Text>& chosen_text() {
    static std::atomic<Text> text = [] {
        const char* name = std::getenv("QACONV_CUDA_TEXT");
        const auto is = [&](const char* word) {
            return name != nullptr && std::strcmp(name, word) == 0;
        };
        return is("plain") ? Text::kPlain : is("hopper") ? Text::kHopper : Text::kTensor;
    }();
    return text;
}

std::atomic<int> chosen_run{0};

// float32 maps become two numbers each, which leaves no registers for a resident map.
bool may_reside(const Maps& maps) {
    return maps.dtype != DType::kFloat32 && maps.channels <= kResidentChannels;
}

Packing rows_of(const Maps& maps) {
    return {may_reside(maps) ? kResidentStep : kStreamedStep, false};
}
constexpr Packing kTiles{kResidentStep, true};

// Whether this device's tensor cores can do such a match at all; it depends on nothing else, so
// that a pair always gets the same text and the same bits.
bool fits_tensor_cores(const Maps& probe, const Maps& gallery, bool positions) {
    if (chosen_text() == Text::kPlain) return false;
    if (std::max(probe.count, gallery.count) > kMostMaps) return false;
    int device = 0, major = 0, most = 0;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    const auto bytes = [&](int64_t s, int64_t r) {
        return may_reside(probe) ? resident_memory(s, r, positions)
                                 : streamed_memory(s, r, positions, probe.dtype == DType::kFloat32);
    };
    // Either way round: a pair and its mirror get the same text.
    return major >= 8 && std::max(bytes(probe.places, gallery.places),
                                  bytes(gallery.places, probe.places)) <= most;
}

// The Hopper text is for those alone that ask for it.
bool asks_for_hopper(const Maps& maps) {
    return chosen_text() == Text::kHopper && maps.dtype != DType::kFloat32 &&
           maps.channels <= kResidentChannels;
}

// Beside what is asked of a match for tensor cores.
bool fits_hopper(const Maps& probe, const Maps& gallery, bool positions) {
    if (!asks_for_hopper(probe) || !has_hopper_text()) return false;
    int device = 0, most = 0;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    return std::max(hopper_memory(probe.places, gallery.places, positions),
                    hopper_memory(gallery.places, probe.places, positions)) <= most;
}

constexpr int64_t kFlagBytes = 256;

int64_t workspace(const Maps& probe, const Maps& gallery, bool self, const Packing& packing) {
    return kFlagBytes + operand_bytes(probe, packing) +
           (self ? 0 : operand_bytes(gallery, packing));
}

template <typename Sink>
Status on_tensor_cores(const Maps& probe, const Maps& gallery, bool self, const Packing& packing,
                       const Sink& sink, void* workspace, cudaStream_t stream) {
    auto* any_wild = static_cast<int32_t*>(workspace);
    char* memory = static_cast<char*>(workspace) + kFlagBytes;
    cudaMemsetAsync(any_wild, 0, sizeof(int32_t), stream);
    PairSets sets{{}, {}, self, chosen_run, probe.dtype == DType::kBFloat16};
    Status status = pack_operand(probe, packing, memory, any_wild, &sets.probe, stream);
    if (status != Status::kOk) return status;
    if (self) {
        sets.gallery = sets.probe;
    } else {
        memory += operand_bytes(probe, packing);
        status = pack_operand(gallery, packing, memory, any_wild, &sets.gallery, stream);
        if (status != Status::kOk) return status;
    }
    status = packing.tiles       ? launch_hopper(sets, sink, stream)
             : may_reside(probe) ? launch_resident(sets, sink, stream)
                                 : launch_streamed(sets, sink, stream);
    if (status != Status::kOk) return status;
    const WildMaps wild{any_wild, sets.probe.wild, sets.gallery.wild};
    return launch_plain(probe, gallery, self, &wild, sink, stream);
}

}  // namespace

void set_text(Text text) { chosen_text() = text; }
void set_run(int gallery_maps) { chosen_run = gallery_maps; }

int64_t forward_workspace(const Maps& probe, const Maps& gallery, bool self) {
    if (computes_in_double(probe.dtype)) return 0;
    const int64_t rows = workspace(probe, gallery, self, rows_of(probe));
    // Asked without a look at the device, which need not be the current one yet.
    if (!asks_for_hopper(probe)) return rows;
    return std::max(rows, workspace(probe, gallery, self, kTiles));
}

template <typename Sink>
Status for_each_pair(const Maps& probe, const Maps& gallery, bool self, const Sink& sink,
                     void* workspace, cudaStream_t stream) {
    if (probe.count == 0 || gallery.count == 0) return Status::kOk;
    if constexpr (!Sink::kDouble) {
        if (fits_tensor_cores(probe, gallery, Sink::kPositions)) {
            const bool hopper = fits_hopper(probe, gallery, Sink::kPositions);
            const Packing packing = hopper ? kTiles : rows_of(probe);
            return on_tensor_cores(probe, gallery, self, packing, sink, workspace, stream);
        }
    }
    return launch_plain(probe, gallery, self, nullptr, sink, stream);
}

template Status for_each_pair(const Maps&, const Maps&, bool, const Planes<float>&, void*,
                              cudaStream_t);
template Status for_each_pair(const Maps&, const Maps&, bool, const Planes<double>&, void*,
                              cudaStream_t);
template Status for_each_pair(const Maps&, const Maps&, bool, const Scores<float>&, void*,
                              cudaStream_t);
template Status for_each_pair(const Maps&, const Maps&, bool, const Scores<double>&, void*,
                              cudaStream_t);

}  // namespace qaconv::cuda
