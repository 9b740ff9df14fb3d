// For every place of one map, its best place in another map: the inner loop of all forward ops.
#pragma once

#include <cstdint>

#include "core/maximum.h"

namespace qaconv::cuda {

constexpr int kTile = 16;  // a thread block is kTile x kTile

// One map of a packed set: [places][channels].
template <typename T>
struct PackedMap {
    const T* data;
    int64_t places;
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

// Calls emit(own place, best partner place) for every place of `own`, from the thread with
// threadIdx.x == 0 of the row that holds the place; places are dealt to rows in turn, so that a row
// meets its places in ascending order. All threads of the block take part.
//
// A thread computes one correlation at a time: its row is the own place, its column the partner
// place. Beyond the last place the last is repeated, with its own position: that changes nothing.
template <typename T, typename Emit>
__device__ void for_each_best_partner(PackedMap<T> own, PackedMap<T> partner, int64_t channels,
                                      Emit emit) {
    __shared__ T own_tile[kTile][kTile];
    __shared__ T partner_tile[kTile][kTile + 1];  // read down columns: a pitch without conflicts
    const int row = threadIdx.y, column = threadIdx.x;
    for (int64_t s = 0; s < own.places; s += kTile) {
        const int64_t own_place = min(s + row, own.places - 1);
        Maximum<T> best;
        for (int64_t r = 0; r < partner.places; r += kTile) {
            const int64_t loaded_place = min(r + row, partner.places - 1);
            T sum = 0;
            for (int64_t c = 0; c < channels; c += kTile) {
                const bool inside = c + column < channels;
                own_tile[row][column] = inside ? own.data[own_place * channels + c + column] : T(0);
                partner_tile[row][column] =
                    inside ? partner.data[loaded_place * channels + c + column] : T(0);
                __syncthreads();
                for (int k = 0; k < kTile; ++k) {
                    sum = fma(own_tile[row][k], partner_tile[column][k], sum);
                }
                __syncthreads();
            }
            const int32_t position = static_cast<int32_t>(min(r + column, partner.places - 1));
            if (r == 0) {
                best = Maximum<T>::first(sum, position);
            } else {
                best.update(sum, position);
            }
        }
        best = half_warp_maximum(best);
        if (column == 0 && s + row < own.places) emit(s + row, best);
    }
}

}  // namespace qaconv::cuda
