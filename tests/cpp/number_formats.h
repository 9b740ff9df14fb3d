// float16 and bfloat16 by their definition, in plain arithmetic: independent of the bit tricks of
// the kernels, and slow.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace qaconv::test {

// A binary format of 16 bits: 1 sign bit, exponent bits, fraction bits.
struct Format16 {
    int exponent_bits, fraction_bits;

    int bias() const { return (1 << (exponent_bits - 1)) - 1; }

    double decode(uint16_t bits) const {
        const int fraction = bits & ((1 << fraction_bits) - 1);
        const int exponent = (bits >> fraction_bits) & ((1 << exponent_bits) - 1);
        const double sign = (bits >> 15) != 0 ? -1 : 1;
        if (exponent == (1 << exponent_bits) - 1) {
            return fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                                 : sign * std::numeric_limits<double>::infinity();
        }
        const int normal = exponent != 0 ? 1 : 0;
        return sign * std::ldexp(fraction + normal * (1 << fraction_bits),
                                 std::max(exponent, 1) - bias() - fraction_bits);
    }

    // Round to nearest, ties to even; above the largest number infinity.
    uint16_t encode(double value) const {
        const int sign = std::signbit(value) ? 0x8000 : 0;
        const int special = ((1 << exponent_bits) - 1) << fraction_bits;
        if (std::isnan(value)) return static_cast<uint16_t>(sign | special | 1);
        const double size = std::abs(value);
        if (size == 0) return static_cast<uint16_t>(sign);
        if (std::isinf(size)) return static_cast<uint16_t>(sign | special);
        const int exponent = std::max(std::ilogb(size), 1 - bias());
        const double steps = std::nearbyint(std::ldexp(size, fraction_bits - exponent));
        // A fraction that rounds up to the next power of two carries into the exponent.
        const int bits = ((exponent + bias() - 1) << fraction_bits) + static_cast<int>(steps);
        return static_cast<uint16_t>(sign | std::min(bits, special));
    }
};

constexpr Format16 kFloat16Format{5, 10};
constexpr Format16 kBFloat16Format{8, 7};

}  // namespace qaconv::test
