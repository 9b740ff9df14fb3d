#include "cuda/operands.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "cuda/device/map_reader.cuh"
#include "cuda/status.h"

namespace qaconv::cuda {
namespace {

static_assert(kPatchLocations == kTiledLocations, "tiles begin where patches do");

// A side of the match while it is packed.
struct Side {
    Maps maps;
    Reading reading;
    int64_t locations;  // with those that fill up a tile
    int64_t pieces;     // of 8 channels, with those that are zeros
    uint4 *high, *low;
    uint32_t* largest;  // of each map; 0 before
};

struct Job {
    Side sides[2];
    int64_t first_map;  // of both sides, one after the other
    bool tiles;
};

// The patch of a thread block: the grid is slabs of channels, rows of patches, and maps. Calls
// body(side, map, patch), but not beyond the end of the shorter maps.
template <typename Body>
__device__ void with_patch(const Job& job, Body body) {
    int64_t n = job.first_map + blockIdx.z;
    const bool second = n >= job.sides[0].maps.count;
    const Side& side = job.sides[second ? 1 : 0];
    if (second) n -= job.sides[0].maps.count;
    const Maps& maps = side.maps;
    const int64_t location = int64_t(blockIdx.y) * kPatchLocations;
    if (location >= maps.locations) return;
    const int64_t piece = int64_t(blockIdx.x) * kPatchPieces, channel = piece * kItemChannels;
    constexpr int64_t kMostLocations = kPatchLocations, kMostPieces = kPatchPieces;
    body(side, n,
         Patch{location, channel, static_cast<int>(min(maps.locations - location, kMostLocations)),
               static_cast<int>(min(maps.channels - channel, kMostPieces * kItemChannels)),
               static_cast<int>(min(side.pieces - piece, kMostPieces))});
}

// The largest of a map is the largest of its patches' warps, whoever comes first.
__device__ void note_largest(uint32_t largest, uint32_t* of_map) {
    for (int distance = 16; distance > 0; distance /= 2) {
        largest = max(largest, __shfl_xor_sync(0xffffffffu, largest, distance));
    }
    if (threadIdx.x % 32 == 0 && largest != 0) atomicMax(of_map, largest);
}

// ---- float32: looked through first, for its scale; then two numbers for each -----------------

__global__ void __launch_bounds__(PatchShare<uint32_t>::kThreads)
    magnitudes_kernel(const __grid_constant__ Job job) {
    with_patch(job, [&](const Side& side, int64_t n, const Patch& patch) {
        uint32_t largest = 0;
        read_patch<uint32_t>(side.maps, side.reading, n, patch,
                             [&](const Item<uint32_t>& item, int, int) {
                                 for (uint32_t word : item.words)
                                     largest = max(largest, word & 0x7fffffffu);
                             });
        note_largest(largest, side.largest + n);
    });
}

__device__ uint32_t two_halves(__half first, __half second) {
    return __half_as_ushort(first) | uint32_t(__half_as_ushort(second)) << 16;
}

struct SplitPacker {
    using Bits = uint32_t;
    static constexpr int kParts = 2;
    float unscale;

    __device__ SplitPacker(const Side& side, int64_t n) {
        const Magnitudes magnitudes{side.largest, DType::kFloat32};
        unscale = 1.0f / __uint_as_float(magnitudes.scale_bits(n));  // a power of two
    }
    __device__ void pack(const Item<uint32_t>& item, uint4 (&parts)[kParts]) {
        uint32_t high[4], low[4];
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            const float a = __uint_as_float(item.words[2 * k]) * unscale;
            const float b = __uint_as_float(item.words[2 * k + 1]) * unscale;
            const __half of_a = __float2half_rn(a), of_b = __float2half_rn(b);
            high[k] = two_halves(of_a, of_b);
            low[k] = two_halves(__float2half_rn((a - __half2float(of_a)) / kLowStep),
                                __float2half_rn((b - __half2float(of_b)) / kLowStep));
        }
        parts[0] = make_uint4(high[0], high[1], high[2], high[3]);
        parts[1] = make_uint4(low[0], low[1], low[2], low[3]);
    }
    __device__ void finish(const Side&, int64_t) const {}
};

// ---- float16 and bfloat16: copied as they are, and looked at on the way ----------------------

__device__ uint32_t float_bits_of(uint32_t bits, __half) {
    return __float_as_uint(__half2float(__ushort_as_half(static_cast<uint16_t>(bits))));
}
__device__ uint32_t float_bits_of(uint32_t bits, __nv_bfloat16) { return bits << 16; }

template <typename Source>
struct CopyPacker {
    using Bits = uint16_t;
    static constexpr int kParts = 1;
    uint32_t upper = 0, lower = 0;  // the largest of the numbers in the halves of words

    __device__ CopyPacker(const Side&, int64_t) {}
    __device__ void pack(const Item<uint16_t>& item, uint4 (&parts)[kParts]) {
        for (uint32_t word : item.words) {
            upper = max(upper, word & 0x7fff7fffu);  // what is below decides nothing
            lower = max(lower, word & 0x7fffu);
        }
        parts[0] = make_uint4(item.words[0], item.words[1], item.words[2], item.words[3]);
    }
    __device__ void finish(const Side& side, int64_t n) const {
        note_largest(float_bits_of(max(upper >> 16, lower), Source{}), side.largest + n);
    }
};

// ---- all -------------------------------------------------------------------------------------

// Where the items of a patch wait between reading and writing. Eight neighbors along a piece, a
// location or 8 locations have different banks.
__device__ int slot(int piece, int location) {
    return piece * kPatchLocations + (location & ~7) + ((location ^ location / 8 ^ piece) & 7);
}

// Writes a patch along whichever of locations and pieces lie side by side in the operand.
template <typename Bits>
__device__ void write_patch(const uint4* items, const Side& side, bool tiles, int64_t n,
                            const Patch& patch, uint4* out) {
    using Share = PatchShare<Bits>;
    const Share own(tiles ? Reading::kSingleLocations : Reading::kSingleChannels);
    uint4 lines[Share::kItems];  // all read before the first is written
#pragma unroll
    for (int j = 0; j < Share::kItems; ++j) {
        const int location = min(own.location + j * own.location_step, patch.locations - 1);
        lines[j] = items[slot(own.piece + j * own.piece_step, location)];
    }
    uint4* to = out + (n * side.locations + patch.location) * side.pieces;
    const int64_t first_piece = patch.channel / kItemChannels;
    if (tiles) {
        to += first_piece * kTiledLocations + threadIdx.x;
#pragma unroll
        for (int j = 0; j < Share::kItems; ++j) {
            if (own.piece + j * own.piece_step < patch.pieces) to[j * Share::kThreads] = lines[j];
        }
        return;
    }
    if (own.piece >= patch.pieces) return;
    to += own.location * side.pieces + first_piece + own.piece;
#pragma unroll
    for (int j = 0; j < Share::kItems; ++j) {
        const int step = j * own.location_step;
        if (own.location + step < patch.locations) to[step * side.pieces] = lines[j];
    }
}

template <typename Packer>
__global__ void __launch_bounds__(PatchShare<typename Packer::Bits>::kThreads)
    pack_operands_kernel(const __grid_constant__ Job job) {
    using Bits = typename Packer::Bits;
    __shared__ uint4 items[Packer::kParts][kPatchLocations * kPatchPieces];
    with_patch(job, [&](const Side& side, int64_t n, const Patch& patch) {
        Packer packer(side, n);
        read_patch<Bits>(side.maps, side.reading, n, patch,
                         [&](const Item<Bits>& item, int piece, int location) {
                             uint4 parts[Packer::kParts];
                             packer.pack(item, parts);
#pragma unroll
                             for (int k = 0; k < Packer::kParts; ++k)
                                 items[k][slot(piece, location)] = parts[k];
                         });
        __syncthreads();
        write_patch<Bits>(items[0], side, job.tiles, n, patch, side.high);
        if constexpr (Packer::kParts == 2) {
            write_patch<Bits>(items[1], side, job.tiles, n, patch, side.low);
        }
        packer.finish(side, n);
    });
}

constexpr int64_t kMostBlocks = 65535;  // along the last axis of a grid

template <typename Bits>
Status launch_patches(void (*kernel)(Job), Job& job, cudaStream_t stream) {
    const int64_t locations = std::max(job.sides[0].maps.locations, job.sides[1].maps.locations);
    const int64_t maps = job.sides[0].maps.count + job.sides[1].maps.count;
    const dim3 threads(PatchShare<Bits>::kThreads);
    dim3 blocks(static_cast<unsigned>((job.sides[0].pieces + kPatchPieces - 1) / kPatchPieces),
                static_cast<unsigned>((locations + kPatchLocations - 1) / kPatchLocations));
    for (job.first_map = 0; job.first_map < maps; job.first_map += kMostBlocks) {
        blocks.z = static_cast<unsigned>(std::min(maps - job.first_map, kMostBlocks));
        const Status status = launch(kernel, blocks, threads, 0, stream, job);
        if (status != Status::kOk) return status;
    }
    return Status::kOk;
}

int64_t padded(int64_t value, int64_t step) { return (value + step - 1) / step * step; }
bool is_split(const Maps& maps) { return maps.dtype == DType::kFloat32; }

constexpr int64_t kAlignment = 256;

// The flag, and each side's magnitudes: what must be zero before.
int64_t zeroed_bytes(const Maps* const* maps, int sides) {
    int64_t bytes = sizeof(int32_t);
    for (int i = 0; i < sides; ++i) bytes += maps[i]->count * int64_t(sizeof(uint32_t));
    return padded(bytes, kAlignment);
}

// All but where it lies.
Side side_of(const Maps& maps, const Packing& packing) {
    Side side{};
    side.maps = maps;
    side.reading = reading_of(maps, is_split(maps) ? 4 : 2);
    side.locations = packing.tiles ? padded(maps.locations, kTiledLocations) : maps.locations;
    side.pieces = padded(maps.channels, packing.channel_step) / kItemChannels;
    return side;
}
int64_t number_bytes(const Side& side) {
    return padded(side.maps.count * side.locations * side.pieces * int64_t(sizeof(uint4)),
                  kAlignment);
}

}  // namespace

int64_t operand_bytes(const Maps* const* maps, int sides, const Packing& packing) {
    int64_t bytes = zeroed_bytes(maps, sides);
    for (int i = 0; i < sides; ++i) {
        bytes += number_bytes(side_of(*maps[i], packing)) * (is_split(*maps[i]) ? 2 : 1);
    }
    return bytes;
}

Status pack_operands(const Maps* const* maps, int sides, const Packing& packing, void* memory,
                     int32_t** left_over, Operand* operands, cudaStream_t stream) {
    char* next = static_cast<char*>(memory);
    const auto take = [&](int64_t bytes) {
        char* here = next;
        next += bytes;
        return here;
    };
    auto* zeroed = reinterpret_cast<uint32_t*>(take(zeroed_bytes(maps, sides)));
    *left_over = reinterpret_cast<int32_t*>(zeroed++);
    Job job{};
    job.tiles = packing.tiles;
    for (int i = 0; i < sides; ++i) {
        const Maps& set = *maps[i];
        Side& side = job.sides[i] = side_of(set, packing);
        side.high = reinterpret_cast<uint4*>(take(number_bytes(side)));
        if (is_split(set)) side.low = reinterpret_cast<uint4*>(take(number_bytes(side)));
        side.largest = zeroed;
        zeroed += set.count;
        operands[i] = {reinterpret_cast<const uint16_t*>(side.high),
                       reinterpret_cast<const uint16_t*>(side.low),
                       {side.largest, set.dtype},
                       set.count,
                       static_cast<int32_t>(set.locations),
                       static_cast<int32_t>(side.pieces * kItemChannels)};
    }
    const cudaError_t error =
        cudaMemsetAsync(memory, 0, static_cast<size_t>(zeroed_bytes(maps, sides)), stream);
    if (error != cudaSuccess) return failed(error);
    switch (maps[0]->dtype) {
        case DType::kFloat16:
            return launch_patches<uint16_t>(pack_operands_kernel<CopyPacker<__half>>, job, stream);
        case DType::kBFloat16:
            return launch_patches<uint16_t>(pack_operands_kernel<CopyPacker<__nv_bfloat16>>, job,
                                            stream);
        case DType::kFloat32:
        case DType::kFloat64:  // has no tensor-core variant
            break;
    }
    const Status status = launch_patches<uint32_t>(magnitudes_kernel, job, stream);
    if (status != Status::kOk) return status;
    return launch_patches<uint32_t>(pack_operands_kernel<SplitPacker>, job, stream);
}

}  // namespace qaconv::cuda
