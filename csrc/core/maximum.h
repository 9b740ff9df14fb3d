// The reduction all kernels agree on: the largest value, a NaN above all, of equals the lowest
// position. Positions must be offered in ascending order, or merged with merge().
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define QACONV_HOST_DEVICE __host__ __device__
#else
#define QACONV_HOST_DEVICE
#endif

namespace qaconv {

template <typename T>
struct Maximum {
    T value;
    int32_t index;

    QACONV_HOST_DEVICE static Maximum first(T value, int32_t index) { return {value, index}; }

    // Offers a value at a later position than all before.
    QACONV_HOST_DEVICE void update(T other, int32_t position) {
        // !(a <= b) is true where a > b and where either is NaN; a NaN that is held stays.
        if (!(other <= value) && value == value) {
            value = other;
            index = position;
        }
    }

    // Takes in the maximum of other positions, earlier or later.
    QACONV_HOST_DEVICE void merge(const Maximum& other) {
        const bool this_nan = value != value;
        const bool other_nan = other.value != other.value;
        const bool equal = (this_nan && other_nan) || value == other.value;
        const bool larger = (other_nan && !this_nan) || (!this_nan && other.value > value);
        if (larger || (equal && other.index < index)) *this = other;
    }
};

}  // namespace qaconv
