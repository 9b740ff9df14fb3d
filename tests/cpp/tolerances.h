// How far a result may be from the reference: bounds that are proved, not tuned (Higham, Accuracy
// and Stability of Numerical Algorithms, 2002, sections 3.1 and 4.2).
//
//   result            bound                                        because
//   whole numbers     0                                            every sum is exact
//   correlation       gamma(C + 1) sum_c |a_c b_c| + C tiny         C sums, a product rounded or
//   not;
//                                                                  a product may underflow
//   a maximum         the largest bound of what it is taken over   max moves no more than its
//   inputs its position      a value within 2 bounds of the maximum       what lies closer may swap
//   score             sum |w| bound(max)                           the maxima's error, weighted
//                     + gamma(s + r + 4) (sum |w max| + |bias|)    the head's own sums
//   gradient          gamma(n + 1) sum |g v|, n winners            n sums in any order
//
// gamma(n) = n u / (1 - n u) with u half a unit in the last location. Inputs are taken as rounded
// to their dtype, so float16 and bfloat16, whose sums run in float, have the bounds of float.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

namespace qaconv::test {

// What the reference sums in.
template <typename T>
using WideOf = std::conditional_t<std::is_same_v<T, double>, long double, double>;

template <typename T>
WideOf<T> gamma_of(int64_t operations) {
    const WideOf<T> nu = static_cast<WideOf<T>>(operations) * std::numeric_limits<T>::epsilon() / 2;
    return nu / (1 - nu);
}

// What the arithmetic of the device under test may add to a correlation's bound.
struct Arithmetic {
    int64_t roundings_of_a_sum = 1;  // in halves of a unit in the last location
    int64_t roundings_of_a_product = 0;
    double of_largest_product = 0;  // absolute, in parts of the largest |a| times the largest |b|
};

// Tensor cores add by truncation, which is worth two roundings (Fasi et al., Numerical behavior of
// NVIDIA tensor cores, 2021). A float32 number is split in two of 11 bits: 2^-23 of it is lost on
// either side, and of the product the part low * low, 2^-22; and what lies below 2^-36 of the map's
// largest number is lost, for the split is a fixed-point one there.
constexpr Arithmetic kTensorCores{2, 8, 0x1p-34};

inline Arithmetic& arithmetic() {
    static Arithmetic of_the_device;
    return of_the_device;
}

template <typename T>
WideOf<T> correlation_bound(int64_t channels, WideOf<T> sum_of_sizes,
                            WideOf<T> largest_product = 0) {
    const Arithmetic& device = arithmetic();
    const int64_t roundings =
        device.roundings_of_a_sum * (channels + 1) + device.roundings_of_a_product;
    return gamma_of<T>(roundings) * sum_of_sizes +
           static_cast<WideOf<T>>(channels) *
               (std::numeric_limits<T>::denorm_min() + device.of_largest_product * largest_product);
}

template <typename T>
WideOf<T> score_bound(int64_t locations, WideOf<T> weighted_bounds, WideOf<T> sum_of_sizes) {
    return weighted_bounds + gamma_of<T>(locations + 4) * (sum_of_sizes + weighted_bounds);
}

template <typename T>
WideOf<T> gradient_bound(int64_t winners, WideOf<T> sum_of_sizes) {
    return gamma_of<T>(winners + 1) * sum_of_sizes;
}

}  // namespace qaconv::test
