// Where the maxima of a pair go: to planes (correlation_max) or into one number (match_scores).
// The tensor-core variants hand over a pair's maxima in shared memory; the plain variant hands over
// one maximum at a time, or the whole score.
#pragma once

#include <cstdint>
#include <type_traits>

#include "cuda/device/best.cuh"

namespace qaconv::cuda {

// The maxima of a pair of ordinary maps, as one of `threads` threads takes them to an epilogue.
// Each of `warps` warps has bests of its own for the columns.
template <bool kPositions>
struct PairMaxima {
    BestArray<kPositions> rows;
    BestArray<kPositions> columns;  // [warps][pitch]
    int warps, thread, threads, pitch;
    float scale;
    int32_t* left_over;  // not null: a negative maximum is not to be trusted. See Scores

    __device__ Best<kPositions> row(int i) const {
        Best<kPositions> best = rows.load(i);
        best.value *= scale;
        return best;
    }
    __device__ Best<kPositions> column(int i) const {
        Best<kPositions> best = columns.load(i);
        for (int warp = 1; warp < warps; ++warp) best.merge(columns.load(warp * pitch + i));
        best.value *= scale;
        return best;
    }
};

// Values and positions of one direction, [pairs][locations].
template <typename T>
struct Plane {
    T* values;
    void* indices;
    int32_t locations;
    bool byte;

    __device__ void store(int64_t pair, int64_t location, T value, int32_t index) const {
        const int64_t at = pair * locations + location;
        values[at] = value;
        if (byte) {
            static_cast<uint8_t*>(indices)[at] = static_cast<uint8_t>(index);
        } else {
            static_cast<int16_t*>(indices)[at] = static_cast<int16_t>(index);
        }
    }
};

// correlation_max; `self`: the second plane is the first with the pairs transposed.
template <typename T>
struct Planes {
    static constexpr bool kPositions = true;
    static constexpr bool kDouble = std::is_same_v<T, double>;
    Plane<T> over_gallery, over_probe;
    int64_t galleries;
    bool self;

    // Comparisons of floats are to be trusted whatever their sign.
    __device__ bool is_left_over(int64_t, int64_t) const { return false; }

    // By all threads that the maxima tell of.
    __device__ void take(int64_t p, int64_t g, const PairMaxima<true>& maxima) const {
        const int64_t pair = p * galleries + g;
#pragma unroll 1  // hopper.cu has few registers for this
        for (int i = maxima.thread; i < over_gallery.locations; i += maxima.threads) {
            const Best<true> best = maxima.row(i);
            over_gallery.store(pair, i, best.value, best.index);
        }
        if (self && p == g) return;  // both directions are the same numbers of the same location
#pragma unroll 1
        for (int i = maxima.thread; i < over_probe.locations; i += maxima.threads) {
            const Best<true> best = maxima.column(i);
            over_probe.store(self ? g * galleries + p : pair, i, best.value, best.index);
        }
    }
};

// match_scores; `distance`: minus the score of a set with itself, mirrored.
template <typename T>
struct Scores {
    static constexpr bool kPositions = false;
    static constexpr bool kDouble = std::is_same_v<T, double>;
    const T* probe_weight;
    const T* gallery_weight;
    const T* bias;
    T* out;
    int32_t probe_locations, gallery_locations;
    int64_t galleries;
    bool distance;

    __device__ void store(int64_t p, int64_t g, T score) const {
        out[p * galleries + g] = distance ? -score : score;
        if (distance) out[g * galleries + p] = -score;
    }

    // A pair whose maxima are not to be trusted gets this for a score, for the plain variant to
    // find: a NaN that no arithmetic makes.
    static constexpr uint32_t kLeftOver = 0x7fa5a5a5u;
    __device__ bool is_left_over(int64_t p, int64_t g) const {
        if constexpr (kDouble) {
            return false;
        } else {
            return __float_as_uint(out[p * galleries + g]) == kLeftOver;
        }
    }

    // By one warp. Both sums go through the same additions in the same order, so that a pair and
    // its mirror have the same bits.
    __device__ void take(int64_t p, int64_t g, const PairMaxima<false>& maxima) const {
        T over_gallery = 0, over_probe = 0;
        float least = 0;
        const int lane = threadIdx.x % 32;
#pragma unroll 1  // hopper.cu has few registers for this
        for (int i = lane; i < probe_locations; i += 32) {
            const float value = maxima.row(i).value;
            least = fminf(least, value);
            over_gallery = fma(probe_weight[i], value, over_gallery);
        }
#pragma unroll 1
        for (int i = lane; i < gallery_locations; i += 32) {
            const float value = maxima.column(i).value;
            least = fminf(least, value);
            over_probe = fma(gallery_weight[i], value, over_probe);
        }
        if (maxima.left_over != nullptr && __any_sync(0xffffffffu, least < 0)) {
            if (lane == 0) {
                out[p * galleries + g] = __uint_as_float(kLeftOver);
                *maxima.left_over = 1;  // whoever comes: the same value
            }
            return;
        }
        for (int distance_of_lanes = 16; distance_of_lanes > 0; distance_of_lanes /= 2) {
            over_gallery += __shfl_xor_sync(0xffffffffu, over_gallery, distance_of_lanes);
            over_probe += __shfl_xor_sync(0xffffffffu, over_probe, distance_of_lanes);
        }
        if (lane == 0) store(p, g, (over_gallery + over_probe) + *bias);
    }
};

}  // namespace qaconv::cuda
