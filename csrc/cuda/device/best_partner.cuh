// For every location of one map, its best location in another map: the inner loop of the plain
// variant.
#pragma once

#include <cstdint>

#include "core/maximum.h"
#include "core/types.h"
#include "cuda/device/widen.cuh"

namespace qaconv::cuda {

constexpr int kTile = 16;  // a thread block is kTile x kTile

// One map of a set, read where it lies.
template <typename T, typename Source>
struct MapView {
    const Source* data;
    int64_t locations, channels, location_stride, channel_stride;

    __device__ MapView(const Maps& maps, int64_t n)
        : data(static_cast<const Source*>(maps.data) + n * maps.map_stride),
          locations(maps.locations),
          channels(maps.channels),
          location_stride(maps.location_stride),
          channel_stride(maps.channel_stride) {}

    // Beyond the last location the last is repeated; beyond the last channel there are zeros.
    __device__ T operator()(int64_t location, int64_t channel) const {
        if (channel >= channels) return T(0);
        return widen<T>(
            data[min(location, locations - 1) * location_stride + channel * channel_stride]);
    }
};

// The maximum over the 16 lanes of a half warp, in all of them.
template <typename T>
__device__ Maximum<T> half_warp_maximum(Maximum<T> best) {
    for (int distance = kTile / 2; distance > 0; distance /= 2) {
        Maximum<T> other;
        other.value = __shfl_xor_sync(0xffffffffu, best.value, distance);
        other.index = __shfl_xor_sync(0xffffffffu, best.index, distance);
        best.merge(other);
    }
    return best;
}

// Calls emit(own location, best partner location) for every location of `own`, from the thread with
// threadIdx.x == 0 of the row that holds the location; locations are dealt to rows in turn, so that
// a row meets its locations in ascending order. All threads of the block take part.
//
// A thread computes one correlation at a time: its row is the own location, its column the partner
// location, repeated locations having positions of their own that lose every tie.
template <typename T, typename Source, typename Emit>
__device__ void for_each_best_partner(const MapView<T, Source>& own,
                                      const MapView<T, Source>& partner, Emit emit) {
    // [channel][location]: loaded along locations, which lie side by side in a contiguous map.
    __shared__ T own_tile[kTile][kTile + 1];
    __shared__ T partner_tile[kTile][kTile + 1];
    const int row = threadIdx.y, column = threadIdx.x;
    for (int64_t s = 0; s < own.locations; s += kTile) {
        Maximum<T> best;
        for (int64_t r = 0; r < partner.locations; r += kTile) {
            T sum = 0;
            for (int64_t c = 0; c < own.channels; c += kTile) {
                own_tile[row][column] = own(s + column, c + row);
                partner_tile[row][column] = partner(r + column, c + row);
                __syncthreads();
                for (int k = 0; k < kTile; ++k) {
                    sum = fma(own_tile[k][row], partner_tile[k][column], sum);
                }
                __syncthreads();
            }
            const int32_t position = static_cast<int32_t>(min(r + column, partner.locations - 1));
            if (r == 0) {
                best = Maximum<T>::first(sum, position);
            } else {
                best.update(sum, position);
            }
        }
        best = half_warp_maximum(best);
        if (column == 0 && s + row < own.locations) emit(s + row, best);
    }
}

}  // namespace qaconv::cuda
