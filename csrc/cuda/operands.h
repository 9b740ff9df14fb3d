// Copies of maps for the tensor cores: 16-bit numbers, a location's channels side by side, or as
// the matrices that wgmma reads.
//
// float16 and bfloat16 are copied as they are. A float32 map is scaled by a power of two so that
// its largest magnitude lies in [1, 2), and each number x becomes two float16 numbers,
//   high = x rounded,  low = (x - high) * 2^11 rounded,
// so that x * y = high high' + (high low' + low high') 2^-11, but for a part in 2^22.
//
// The tensor cores are for ordinary maps only. A map with a NaN, an infinity or a largest magnitude
// so far from 1 that sums could overflow or be lost below the smallest number is out of range: its
// pairs are left to the plain variant, which needs no care.
#pragma once

#include <cuda_runtime.h>

#include "core/types.h"

namespace qaconv::cuda {

constexpr float kLowStep = 0x1p-11f;  // what a number of `low` is worth

// The channels are filled up to a multiple of the step, itself one of 8, with zeros. In tiles, what
// 64 locations have is side by side, as [piece of 8 channels][location][channel], which is to say
// in matrices of 8 locations times 8 channels; the last location is repeated to fill the last tile.
struct Packing {
    int64_t channel_step;
    bool tiles;
};
constexpr int kTiledLocations = 64;

// The bits of a map's largest magnitude as a float32 number: they rise with it, and a NaN's lie
// above infinity's.
struct Magnitudes {
    static constexpr uint32_t kInfinity = 0x7f800000u;
    static constexpr uint32_t kSmallest = (127u - 60u) << 23, kLargest = (127u + 60u) << 23;

    const uint32_t* of_map;  // [count]
    DType dtype;

    __host__ __device__ bool needs_fallback(int64_t n) const {
        const uint32_t largest = of_map[n];
        if (dtype == DType::kFloat16) return largest >= kInfinity;  // sums stay in range
        return largest != 0 && (largest < kSmallest || largest > kLargest);
    }
    // The bits of what a float32 map is divided by, a power of two; 1 for others.
    __host__ __device__ uint32_t scale_bits(int64_t n) const {
        constexpr uint32_t kOne = 0x3f800000u;
        if (dtype != DType::kFloat32 || of_map[n] == 0 || needs_fallback(n)) return kOne;
        return of_map[n] & kInfinity;
    }
};

// One side of a match, in device memory.
struct Operand {
    const uint16_t* high;  // [count][locations][channels], or [count] times the tiles of a map
    const uint16_t* low;   // the same for float32, else null
    Magnitudes magnitudes;
    int64_t count;
    int32_t locations;
    int32_t channels;  // with the zeros that fill up a step
};

// Bytes of the copies of `sides` sets (1 or 2).
int64_t operand_bytes(const Maps* const* maps, int sides, const Packing& packing);

// Fills `memory` (of operand_bytes, 16-byte aligned) and says where all lies. Sets *left_over to 0.
Status pack_operands(const Maps* const* maps, int sides, const Packing& packing, void* memory,
                     int32_t** left_over, Operand* operands, cudaStream_t stream);

}  // namespace qaconv::cuda
