// Where the maxima of a pair go: to planes (correlation_max) or into one number (match_scores).
// The tensor-core texts hand over a pair's maxima in shared memory; the plain text hands over one
// maximum at a time, or the whole score.
#pragma once

#include <cstdint>
#include <type_traits>

#include "cuda/device/best.cuh"

namespace qaconv::cuda {

// The maxima of a pair of ordinary maps. Each warp has bests of its own for the columns; those that
// have are the first of the block, with so many threads.
template <bool kPositions>
struct PairMaxima {
    BestArray<kPositions> rows;
    BestArray<kPositions> columns;  // [warps][pitch]
    int warps, threads, pitch;
    float scale;

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

// Values and positions of one direction, [pairs][places].
template <typename T>
struct Plane {
    T* values;
    void* indices;
    int32_t places;
    bool byte;

    __device__ void store(int64_t pair, int64_t place, T value, int32_t index) const {
        const int64_t at = pair * places + place;
        values[at] = value;
        if (byte) {
            static_cast<uint8_t*>(indices)[at] = static_cast<uint8_t>(index);
        } else {
            static_cast<int16_t*>(indices)[at] = static_cast<int16_t>(index);
        }
    }
};

// correlation_max; `self`: the second plane is the first with the pairs turned round.
template <typename T>
struct Planes {
    static constexpr bool kPositions = true;
    static constexpr bool kDouble = std::is_same_v<T, double>;
    Plane<T> over_gallery, over_probe;
    int64_t galleries;
    bool self;

    // By all warps that have bests.
    __device__ void take(int64_t p, int64_t g, const PairMaxima<true>& maxima) const {
        const int64_t pair = p * galleries + g;
        for (int i = threadIdx.x; i < over_gallery.places; i += maxima.threads) {
            const Best<true> best = maxima.row(i);
            over_gallery.store(pair, i, best.value, best.index);
        }
        if (self && p == g) return;  // both directions are the same numbers of the same place
        for (int i = threadIdx.x; i < over_probe.places; i += maxima.threads) {
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
    int32_t probe_places, gallery_places;
    int64_t galleries;
    bool distance;

    __device__ void store(int64_t p, int64_t g, T score) const {
        out[p * galleries + g] = distance ? -score : score;
        if (distance) out[g * galleries + p] = -score;
    }

    // By one warp. Both sums go through the same additions in the same order, so that a pair and
    // its mirror have the same bits.
    __device__ void take(int64_t p, int64_t g, const PairMaxima<false>& maxima) const {
        T over_gallery = 0, over_probe = 0;
        const int lane = threadIdx.x % 32;
        for (int i = lane; i < probe_places; i += 32) {
            over_gallery = fma(probe_weight[i], maxima.row(i).value, over_gallery);
        }
        for (int i = lane; i < gallery_places; i += 32) {
            over_probe = fma(gallery_weight[i], maxima.column(i).value, over_probe);
        }
        for (int distance_of_lanes = 16; distance_of_lanes > 0; distance_of_lanes /= 2) {
            over_gallery += __shfl_xor_sync(0xffffffffu, over_gallery, distance_of_lanes);
            over_probe += __shfl_xor_sync(0xffffffffu, over_probe, distance_of_lanes);
        }
        if (lane == 0) store(p, g, (over_gallery + over_probe) + *bias);
    }
};

}  // namespace qaconv::cuda
