// 8 or 16 bytes of a row (cuda/rows.h), and the numbers in them in the type of the sums.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

namespace qaconv::cuda {

template <typename Element>
struct SumOf {
    using Type = float;
};
template <>
struct SumOf<double> {
    using Type = double;
};

template <typename Element>
using Sum = typename SumOf<Element>::Type;

// By name: torch's build switches the implicit conversions of the half types off.
__device__ inline void widen(uint4 bits, float (&values)[4], float) {
    values[0] = __uint_as_float(bits.x);
    values[1] = __uint_as_float(bits.y);
    values[2] = __uint_as_float(bits.z);
    values[3] = __uint_as_float(bits.w);
}
__device__ inline void widen(uint4 bits, double (&values)[2], double) {
    values[0] = __hiloint2double(static_cast<int>(bits.y), static_cast<int>(bits.x));
    values[1] = __hiloint2double(static_cast<int>(bits.w), static_cast<int>(bits.z));
}
__device__ inline void widen(uint4 bits, float (&values)[8], __half) {
    const uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        values[2 * k] = __half2float(__ushort_as_half(static_cast<uint16_t>(words[k] & 0xffff)));
        values[2 * k + 1] = __half2float(__ushort_as_half(static_cast<uint16_t>(words[k] >> 16)));
    }
}
__device__ inline void widen(uint4 bits, float (&values)[8], __nv_bfloat16) {
    const uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        values[2 * k] = __uint_as_float(words[k] << 16);
        values[2 * k + 1] = __uint_as_float(words[k] & 0xffff0000u);
    }
}

template <typename Half>
__device__ void widen(uint2 bits, float (&values)[4], Half half) {
    float all[8];
    widen(make_uint4(bits.x, bits.y, 0, 0), all, half);
#pragma unroll
    for (int k = 0; k < 4; ++k) values[k] = all[k];
}

}  // namespace qaconv::cuda
