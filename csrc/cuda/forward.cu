#include "cuda/forward.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "cuda/device/epilogues.cuh"
#include "cuda/kernels.h"
#include "cuda/plain.h"
#include "cuda/residency.h"
#include "cuda/status.h"
#include "cuda/tensor_pairs.h"

namespace qaconv::cuda {
namespace {

std::atomic<Variant>& chosen_variant() {
    static std::atomic<Variant> variant = [] {
        const char* name = std::getenv("QACONV_CUDA_VARIANT");
        const auto is = [&](const char* word) {
            return name != nullptr && std::strcmp(name, word) == 0;
        };
        return is("plain") ? Variant::kPlain : is("tensor") ? Variant::kTensor : Variant::kAuto;
    }();
    return variant;
}

std::atomic<int> chosen_run{0};
thread_local const char* last = "";

// What decides about the variant of a match: two sets of maps, and whether positions are wanted.
// All of it is the same either way round, so that a pair and its mirror get the same variant.
struct Match {
    const Maps &probe, &gallery;
    bool positions;

    // float32 maps become two numbers each.
    bool sixteen_bits() const { return probe.dtype != DType::kFloat32; }
    bool few_channels() const { return probe.channels <= kResidentChannels; }

    // value(own locations, partner locations), the larger of both ways round.
    template <typename Value>
    int64_t largest(Value value) const {
        return std::max<int64_t>(value(probe.locations, gallery.locations),
                                 value(gallery.locations, probe.locations));
    }
};

// ---- the variants for tensor cores, the fastest first
// --------------------------------------------

// Whether the Hopper variants may be had, and pay. A pair with a negative maximum they leave to the
// plain variant, which is slow: of so many locations one is hardly ever without a partner on the
// same side of zero.
bool hopper_pays(const Match& match) {
    constexpr int64_t kLeastLocations = 16;
    const int64_t s = match.probe.locations, r = match.gallery.locations;
    return chosen_variant() == Variant::kAuto && std::min(s, r) >= kLeastLocations &&
           hopper_is_quicker(s, r);
}

struct HopperText {
    static constexpr const char* kName = "hopper";
    static constexpr int kMajor = 9;

    static Packing packing(const Match&) { return {kResidentStep, true}; }
    static bool is_for(const Match& match) {
        return match.sixteen_bits() && match.few_channels() && hopper_pays(match);
    }
    static bool is_compiled() { return has_hopper_variant(); }
    static int64_t memory(const Match& match) {
        return match.largest(
            [&](int64_t s, int64_t r) { return hopper_memory(s, r, match.positions); });
    }
    template <typename Epilogue>
    static Status launch(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream) {
        return launch_hopper(sets, epilogue, stream);
    }
};

struct HopperWideText {
    static constexpr const char* kName = "hopper wide";
    static constexpr int kMajor = 9;

    static Packing packing(const Match&) { return {kResidentStep, true}; }
    static bool is_for(const Match& match) {
        return !(match.sixteen_bits() && match.few_channels()) && hopper_pays(match);
    }
    static bool is_compiled() { return has_hopper_variant(); }
    static int64_t memory(const Match& match) {
        return match.largest([&](int64_t s, int64_t r) {
            return hopper_wide_memory(s, r, match.probe.channels, match.positions,
                                      !match.sixteen_bits());
        });
    }
    template <typename Epilogue>
    static Status launch(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream) {
        return launch_hopper_wide(sets, epilogue, stream);
    }
};

struct ResidentText {
    static constexpr const char* kName = "resident";
    static constexpr int kMajor = 8;

    static Packing packing(const Match&) { return {kResidentStep, false}; }
    static bool is_for(const Match& match) { return match.sixteen_bits() && match.few_channels(); }
    static bool is_compiled() { return true; }
    static int64_t memory(const Match& match) {
        return match.largest(
            [&](int64_t s, int64_t r) { return resident_memory(s, r, match.positions); });
    }
    template <typename Epilogue>
    static Status launch(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream) {
        return launch_resident(sets, epilogue, stream);
    }
};

struct StreamedText {
    static constexpr const char* kName = "streamed";
    static constexpr int kMajor = 8;

    static Packing packing(const Match&) { return {kStreamedStep, false}; }
    static bool is_for(const Match&) { return true; }
    static bool is_compiled() { return true; }
    static int64_t memory(const Match& match) {
        return match.largest([&](int64_t s, int64_t r) {
            return streamed_memory(s, r, match.positions, !match.sixteen_bits());
        });
    }
    template <typename Epilogue>
    static Status launch(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream) {
        return launch_streamed(sets, epilogue, stream);
    }
};

// The one list of them: body(variant) for each, until one says true.
template <typename Body>
bool any_variant(Body body) {
    return body(HopperText()) || body(HopperWideText()) || body(ResidentText()) ||
           body(StreamedText());
}

// Whether a variant may be used on the current device; it depends on nothing else but the match, so
// that a pair always gets the same variant and the same bits.
template <typename OneText>
bool may_use(OneText, const Match& match) {
    if (chosen_variant() == Variant::kPlain || !OneText::is_for(match)) return false;
    if (std::max(match.probe.count, match.gallery.count) > kMostMaps) return false;
    const DeviceFacts device = facts_of_device();
    return device.major >= OneText::kMajor && OneText::is_compiled() &&
           OneText::memory(match) <= device.shared_memory;
}

template <typename OneText, typename Epilogue>
Status run_text(OneText, const Match& match, bool self, const Epilogue& epilogue, void* workspace,
                cudaStream_t stream) {
    const Maps* const maps[] = {&match.probe, &match.gallery};
    Operand operands[2];
    int32_t* left_over = nullptr;
    Status status = pack_operands(maps, self ? 1 : 2, OneText::packing(match), workspace,
                                  &left_over, operands, stream);
    if (status != Status::kOk) return status;
    const PairSets sets{operands[0],
                        operands[self ? 0 : 1],
                        self,
                        chosen_run,
                        match.probe.dtype == DType::kBFloat16,
                        left_over};
    status = OneText::launch(sets, epilogue, stream);
    if (status != Status::kOk) return status;
    const FallbackMaps fallback{left_over, sets.probe.magnitudes, sets.gallery.magnitudes};
    return launch_plain(match.probe, match.gallery, self, &fallback, epilogue, stream);
}

}  // namespace

void set_variant(Variant variant) { chosen_variant() = variant; }
void set_run(int gallery_maps) { chosen_run = gallery_maps; }
const char* last_variant() { return last; }

// Asked without a look at the device, which need not be the current one yet.
int64_t forward_workspace(const Maps& probe, const Maps& gallery, bool self) {
    if (computes_in_double(probe.dtype)) return 0;
    const Match match{probe, gallery, false};
    const Maps* const maps[] = {&probe, &gallery};
    int64_t most = 0;
    any_variant([&](auto variant) {
        if (variant.is_for(match)) {
            most = std::max(most, operand_bytes(maps, self ? 1 : 2, variant.packing(match)));
        }
        return false;
    });
    return most;
}

template <typename Epilogue>
Status for_each_pair(const Maps& probe, const Maps& gallery, bool self, const Epilogue& epilogue,
                     void* workspace, cudaStream_t stream) {
    if (probe.count == 0 || gallery.count == 0) return Status::kOk;
    const Match match{probe, gallery, Epilogue::kPositions};
    Status status = Status::kOk;
    if constexpr (!Epilogue::kDouble) {
        const bool done = any_variant([&](auto variant) {
            if (!may_use(variant, match)) return false;
            last = variant.kName;
            status = run_text(variant, match, self, epilogue, workspace, stream);
            return true;
        });
        if (done) return status;
    }
    last = "plain";
    return launch_plain(probe, gallery, self, nullptr, epilogue, stream);
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
