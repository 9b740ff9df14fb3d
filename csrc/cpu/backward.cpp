// The backward of correlation_max: gradients gathered by their owner (core/correlation_max.h).
//
// Maps are read and summed as [locations][channels], so that each winner is one contiguous line of
// channels added to another: target[own location] += gradient * partner[winning location].
#include <algorithm>
#include <atomic>
#include <utility>

#include "cpu/kernels.h"
#include "cpu/pack.h"
#include "cpu/simd_level.h"

namespace qaconv::cpu {
namespace {

// The gradient of one direction's maxima, [pairs][locations], and where they were found. The pair
// of own map n and partner m is n * own_step + m * partner_step.
template <typename T>
struct Winners {
    const T* gradient;
    const void* index;
    int64_t locations;  // that have a maximum each
    int64_t among;      // locations of the other map: how the index is stored
    int64_t own_step, partner_step;

    int64_t at(int64_t own, int64_t partner) const {
        return (own * own_step + partner * partner_step) * locations;
    }
    int64_t winner(int64_t position) const {
        return index_is_byte(among) ? static_cast<const uint8_t*>(index)[position]
                                    : static_cast<const int16_t*>(index)[position];
    }
};

// The gradient to one set of maps, `own`, from all pairs with the maps of another.
template <typename T>
struct Side {
    const Isa<T>* isa;
    Maps own;
    int64_t partners, stride;
    Winners<T> at_own;      // maxima at own locations, won by partner locations
    Winners<T> at_partner;  // the other way round
    T* out;                 // [own, channels, own locations]
    const T* partner_data;  // [partners][partner locations][stride]
    std::atomic<bool>* out_of_memory;

    void add_pair(int64_t n, int64_t m, T* sums) const {
        const T* partner = partner_data + m * at_partner.locations * stride;
        int64_t first = at_own.at(n, m);
        for (int64_t s = 0; s < at_own.locations; ++s) {
            const T gradient = at_own.gradient[first + s];
            if (gradient == 0) continue;
            isa->add_scaled(sums + s * stride, partner + at_own.winner(first + s) * stride,
                            gradient, stride);
        }
        first = at_partner.at(n, m);
        for (int64_t r = 0; r < at_partner.locations; ++r) {
            const T gradient = at_partner.gradient[first + r];
            if (gradient == 0) continue;
            isa->add_scaled(sums + at_partner.winner(first + r) * stride, partner + r * stride,
                            gradient, stride);
        }
    }

    static void run(int64_t begin, int64_t end, void* context) {
        const auto& side = *static_cast<const Side*>(context);
        const int64_t size = side.own.locations * side.stride;
        Buffer<T> sums(size);
        if (!sums) {
            *side.out_of_memory = true;
            return;
        }
        for (int64_t n = begin; n < end; ++n) {
            std::fill(sums.get(), sums.get() + size, T(0));
            for (int64_t m = 0; m < side.partners; ++m) side.add_pair(n, m, sums.get());
            T* out = side.out + n * side.own.channels * side.own.locations;
            for (int64_t c = 0; c < side.own.channels; ++c) {
                for (int64_t s = 0; s < side.own.locations; ++s) {
                    out[c * side.own.locations + s] = sums.get()[s * side.stride + c];
                }
            }
        }
    }
};

template <typename T>
struct LocationsJob {
    Maps maps;
    int64_t stride;
    T* out;

    static void run(int64_t begin, int64_t end, void* context) {
        const auto& job = *static_cast<const LocationsJob*>(context);
        for (int64_t n = begin; n < end; ++n) {
            pack_locations<T>(job.maps, n, job.stride,
                              job.out + n * job.maps.locations * job.stride);
        }
    }
};

template <typename T>
Status gather(Side<T> side, const Maps& partner, ParallelFor parallel_for) {
    if (side.own.count == 0) return Status::kOk;
    std::atomic<bool> out_of_memory{false};
    Buffer<T> partner_data(partner.count * partner.locations * side.stride);
    if (!partner_data) return Status::kOutOfMemory;
    LocationsJob<T> job{partner, side.stride, partner_data.get()};
    parallel_for(0, partner.count, 1, &LocationsJob<T>::run, &job);
    side.partner_data = partner_data.get();
    side.out_of_memory = &out_of_memory;
    parallel_for(0, side.own.count, 1, &Side<T>::run, &side);
    return out_of_memory ? Status::kOutOfMemory : Status::kOk;
}

template <typename T>
Status backward_as(const CorrelationMaxBackwardParams& params, ParallelFor parallel_for) {
    const Maps &probe = params.probe, &gallery = params.gallery;
    const Isa<T>& isa = current_isa<T>();
    const int64_t stride = round_up(probe.channels, isa.lanes);
    // Both as seen from a probe; from a gallery map the steps are exchanged.
    Winners<T> at_probe{static_cast<const T*>(params.grad_over_gallery),
                        params.gallery_index,
                        probe.locations,
                        gallery.locations,
                        gallery.count,
                        1};
    Winners<T> at_gallery{static_cast<const T*>(params.grad_over_probe),
                          params.probe_index,
                          gallery.locations,
                          probe.locations,
                          gallery.count,
                          1};
    Status status = Status::kOk;
    if (params.grad_probe != nullptr) {
        status = gather<T>({&isa, probe, gallery.count, stride, at_probe, at_gallery,
                            static_cast<T*>(params.grad_probe), nullptr, nullptr},
                           gallery, parallel_for);
    }
    if (status == Status::kOk && params.grad_gallery != nullptr) {
        std::swap(at_probe.own_step, at_probe.partner_step);
        std::swap(at_gallery.own_step, at_gallery.partner_step);
        status = gather<T>({&isa, gallery, probe.count, stride, at_gallery, at_probe,
                            static_cast<T*>(params.grad_gallery), nullptr, nullptr},
                           probe, parallel_for);
    }
    return status;
}

template <typename T>
Status self_backward_as(const CorrelationMaxSelfBackwardParams& params, ParallelFor parallel_for) {
    const Maps& maps = params.features;
    const Isa<T>& isa = current_isa<T>();
    const T* gradient = static_cast<const T*>(params.grad_maxima);
    // One plane: what a partner's locations won is found with the pair transposed.
    const Winners<T> at_own{gradient, params.index, maps.locations, maps.locations, maps.count, 1};
    const Winners<T> at_partner{gradient, params.index, maps.locations, maps.locations,
                                1,        maps.count};
    return gather<T>({&isa, maps, maps.count, round_up(maps.channels, isa.lanes), at_own,
                      at_partner, static_cast<T*>(params.grad_features), nullptr, nullptr},
                     maps, parallel_for);
}

}  // namespace

Status correlation_max_backward(const CorrelationMaxBackwardParams& params,
                                ParallelFor parallel_for) {
    return computes_in_double(params.probe.dtype) ? backward_as<double>(params, parallel_for)
                                                  : backward_as<float>(params, parallel_for);
}

Status correlation_max_self_backward(const CorrelationMaxSelfBackwardParams& params,
                                     ParallelFor parallel_for) {
    return computes_in_double(params.features.dtype)
               ? self_backward_as<double>(params, parallel_for)
               : self_backward_as<float>(params, parallel_for);
}

}  // namespace qaconv::cpu
