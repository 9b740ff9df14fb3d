// The backward of correlation_max: gradients gathered by their owner (core/correlation_max.h).
//
// Maps are read and summed as [places][channels], so that each winner is one contiguous line of
// channels added to another: target[own place] += gradient * partner[winning place].
#include <algorithm>
#include <atomic>

#include "cpu/isa.h"
#include "cpu/kernels.h"
#include "cpu/pack.h"

namespace qaconv::cpu {
namespace {

// One side of the backward: the gradient to `own`, whose pair with partner m lies at
// own_index * own_step + m * partner_step of every [P, G, ...] array.
template <typename T>
struct Side {
    const Isa<T>* isa;
    Maps own;
    int64_t partners, partner_places, channels, stride;
    int64_t own_step, partner_step;
    const T* partner_data;       // [partners][partner_places][stride]
    const T* own_gradient;       // [P, G, own places]: of the maxima at own places
    const void* own_winner;      // the partner's place of each
    const T* partner_gradient;   // [P, G, partner places]: of the maxima at partner places
    const void* partner_winner;  // the own place of each
    T* out;                      // [own, channels, own places]
    std::atomic<bool>* out_of_memory;

    static int64_t position(const void* indices, int64_t at, int64_t among) {
        return index_is_byte(among) ? static_cast<const uint8_t*>(indices)[at]
                                    : static_cast<const int16_t*>(indices)[at];
    }

    void add_pair(int64_t pair, const T* partner, T* sums) const {
        const T* gradient = own_gradient + pair * own.places;
        for (int64_t s = 0; s < own.places; ++s) {
            if (gradient[s] == 0) continue;
            const int64_t r = position(own_winner, pair * own.places + s, partner_places);
            isa->add_scaled(sums + s * stride, partner + r * stride, gradient[s], stride);
        }
        gradient = partner_gradient + pair * partner_places;
        for (int64_t r = 0; r < partner_places; ++r) {
            if (gradient[r] == 0) continue;
            const int64_t s = position(partner_winner, pair * partner_places + r, own.places);
            isa->add_scaled(sums + s * stride, partner + r * stride, gradient[r], stride);
        }
    }

    static void run(int64_t begin, int64_t end, void* context) {
        const auto& side = *static_cast<const Side*>(context);
        const int64_t size = side.own.places * side.stride;
        Buffer<T> sums(size);
        if (!sums) {
            *side.out_of_memory = true;
            return;
        }
        for (int64_t n = begin; n < end; ++n) {
            std::fill(sums.get(), sums.get() + size, T(0));
            for (int64_t m = 0; m < side.partners; ++m) {
                side.add_pair(n * side.own_step + m * side.partner_step,
                              side.partner_data + m * side.partner_places * side.stride,
                              sums.get());
            }
            T* out = side.out + n * side.channels * side.own.places;
            for (int64_t c = 0; c < side.channels; ++c) {
                for (int64_t s = 0; s < side.own.places; ++s) {
                    out[c * side.own.places + s] = sums.get()[s * side.stride + c];
                }
            }
        }
    }
};

template <typename T>
struct PlacesJob {
    Maps maps;
    int64_t stride;
    T* out;

    static void run(int64_t begin, int64_t end, void* context) {
        const auto& job = *static_cast<const PlacesJob*>(context);
        for (int64_t n = begin; n < end; ++n) {
            pack_places<T>(job.maps, n, job.stride, job.out + n * job.maps.places * job.stride);
        }
    }
};

template <typename T>
Status backward_as(const CorrelationMaxBackwardParams& params, ParallelFor parallel_for) {
    const Maps &probe = params.probe, &gallery = params.gallery;
    const Isa<T>& isa = current_isa<T>();
    const int64_t stride = round_up(probe.channels, isa.lanes);
    const T* grad_over_gallery = static_cast<const T*>(params.grad_over_gallery);
    const T* grad_over_probe = static_cast<const T*>(params.grad_over_probe);
    std::atomic<bool> out_of_memory{false};

    const auto gather = [&](Side<T> side, const Maps& partner) {
        if (side.own.count == 0) return;
        Buffer<T> partner_data(partner.count * partner.places * stride);
        if (!partner_data) {
            out_of_memory = true;
            return;
        }
        PlacesJob<T> job{partner, stride, partner_data.get()};
        parallel_for(0, partner.count, 1, &PlacesJob<T>::run, &job);
        side.partner_data = partner_data.get();
        parallel_for(0, side.own.count, 1, &Side<T>::run, &side);
    };
    if (params.grad_probe != nullptr) {
        gather({&isa, probe, gallery.count, gallery.places, probe.channels, stride, gallery.count,
                1, nullptr, grad_over_gallery, params.gallery_index, grad_over_probe,
                params.probe_index, static_cast<T*>(params.grad_probe), &out_of_memory},
               gallery);
    }
    if (params.grad_gallery != nullptr) {
        gather({&isa, gallery, probe.count, probe.places, probe.channels, stride, 1, gallery.count,
                nullptr, grad_over_probe, params.probe_index, grad_over_gallery,
                params.gallery_index, static_cast<T*>(params.grad_gallery), &out_of_memory},
               probe);
    }
    return out_of_memory ? Status::kOutOfMemory : Status::kOk;
}

}  // namespace

Status correlation_max_backward(const CorrelationMaxBackwardParams& params,
                                ParallelFor parallel_for) {
    return computes_in_double(params.probe.dtype) ? backward_as<double>(params, parallel_for)
                                                  : backward_as<float>(params, parallel_for);
}

}  // namespace qaconv::cpu
