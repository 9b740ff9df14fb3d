// The maxima of a pair of ordinary maps: no NaN can come up, so a plain comparison decides.
#pragma once

#include <cstdint>

namespace qaconv::cuda {

// The largest value so far and, where wanted, its position; of equals the lowest. To be started by
// clear(): nvcc 13.0 applies default member values to the first row of a two-dimensional array only
// and leaves zeros in the others.
template <bool kPositions>
struct Best {
    float value;
    int32_t index;

    __device__ void clear() {
        value = -INFINITY;
        index = 0;
    }

    // A value at a later position than all before.
    __device__ void offer(float other, int32_t position) {
        if constexpr (kPositions) {
            const bool larger = other > value;
            value = larger ? other : value;
            index = larger ? position : index;
        } else {
            value = fmaxf(value, other);
        }
    }

    // The best of other positions, earlier or later.
    __device__ void merge(const Best& other) {
        if constexpr (kPositions) {
            // Without && and ||, of which nvcc makes branches.
            const bool wins =
                (other.value > value) | ((other.value == value) & (other.index < index));
            value = wins ? other.value : value;
            index = wins ? other.index : index;
        } else {
            value = fmaxf(value, other.value);
        }
    }

    __device__ Best from_lane(int lane_mask) const {
        Best other;
        other.value = __shfl_xor_sync(0xffffffffu, value, lane_mask);
        if constexpr (kPositions) other.index = __shfl_xor_sync(0xffffffffu, index, lane_mask);
        return other;
    }
};

// Values with their positions in shared memory.
template <bool kPositions>
struct BestArray {
    float* values;
    int16_t* indices;  // not there without positions

    static __host__ __device__ int bytes(int count) {
        return count * static_cast<int>(sizeof(float) + (kPositions ? sizeof(int16_t) : 0));
    }
    static __device__ BestArray at(unsigned char* memory, int count) {
        return {reinterpret_cast<float*>(memory),
                reinterpret_cast<int16_t*>(memory + count * sizeof(float))};
    }
    __device__ BestArray from(int first) const { return {values + first, indices + first}; }
    __device__ void store(int i, const Best<kPositions>& best) const {
        values[i] = best.value;
        if constexpr (kPositions) indices[i] = static_cast<int16_t>(best.index);
    }
    __device__ Best<kPositions> load(int i) const {
        Best<kPositions> best;
        best.value = values[i];
        if constexpr (kPositions) best.index = indices[i];
        return best;
    }
};

}  // namespace qaconv::cuda
