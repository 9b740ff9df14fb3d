// Copies of maps for the tensor cores: 16-bit numbers, a place's channels side by side, or as the
// matrices that wgmma reads.
//
// float16 and bfloat16 are copied as they are. A float32 map is scaled by a power of two so that
// its largest magnitude lies in [1, 2), and each number x becomes two float16 numbers,
//   high = x rounded,  low = (x - high) * 2^11 rounded,
// so that x * y = high high' + (high low' + low high') 2^-11, but for a part in 2^22.
//
// The tensor cores are for ordinary maps only. A map with a NaN, an infinity or a largest magnitude
// so far from 1 that sums could overflow or be lost below the smallest number is marked wild: its
// pairs are left to the plain text, which needs no care.
#pragma once

#include <cuda_runtime.h>

#include "core/types.h"

namespace qaconv::cuda {

constexpr float kLowStep = 0x1p-11f;  // what a number of `low` is worth

// The channels are filled up to a multiple of the step with zeros. In tiles, what 64 places have is
// side by side, as [piece of 8 channels][place][channel], which is to say in matrices of 8 places
// times 8 channels; the last place is repeated to fill the last tile.
struct Packing {
    int64_t channel_step;
    bool tiles;
};
constexpr int kTiledPlaces = 64;

// One side of a match, in device memory.
struct Operand {
    const uint16_t* high;  // [count][places][channels], or [count] times the tiles of a map
    const uint16_t* low;   // the same for float32, else null
    const float* scale;    // [count]: a correlation is to be multiplied by those of both its maps
    const uint8_t* wild;   // [count]: 1 for a map that the tensor cores are not for
    int64_t count;
    int32_t places;
    int32_t channels;  // with the zeros that fill up a step
};

// Bytes of an Operand's arrays.
int64_t operand_bytes(const Maps& maps, const Packing& packing);

// Fills `memory` (of operand_bytes, 16-byte aligned) and says where all lies. Sets *any_wild,
// which must be 0 before, where a map is wild.
Status pack_operand(const Maps& maps, const Packing& packing, void* memory, int32_t* any_wild,
                    Operand* operand, cudaStream_t stream);

}  // namespace qaconv::cuda
