#include "cuda/operands.h"

#include <algorithm>
#include <type_traits>

#include "cuda/device/widen.cuh"
#include "cuda/status.h"

namespace qaconv::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kTile = 64;  // places, and channels, that a thread block turns at a time
constexpr int kWidth = 8;  // channels of a piece: what is stored at once
constexpr int kPieces = kTile / kWidth;  // of a tile's channels
constexpr int kUnits = kTile * kPieces;  // of a tile: a piece of one place
constexpr int kPitch = kTile + 2;        // of the tile in shared memory: all lanes in other banks
static_assert(kTile == kTiledPlaces, "");

// How a thread reads eight neighbours: one by one, or 16 bytes at once along places or channels.
enum class Reading { kSingly, kAlongPlaces, kAlongChannels };

// What is stored of a map: its places, and those that fill up a tile; its channels, and zeros.
struct Extent {
    int64_t places, channels;
    bool tiles;

    __host__ __device__ int64_t size() const { return places * channels; }
    // Of a place's piece; `piece` counts from the map's first.
    __device__ int64_t at(int64_t place, int64_t piece) const {
        if (!tiles) return place * channels + piece * kWidth;
        const int64_t in_tile = place % kTile;
        return (place - in_tile) * channels + (piece * kTile + in_tile) * kWidth;
    }
};

// One side, and its share of the thread blocks: a block for each tile of places and channels.
struct Side {
    Maps maps;
    Reading reading;
    Extent to;
    uint16_t *high, *low;
    uint32_t* largest;  // of each map; 0 before

    __host__ __device__ int64_t down() const { return (to.places + kTile - 1) / kTile; }
    __host__ __device__ int64_t across() const { return (to.channels + kTile - 1) / kTile; }
    __host__ __device__ int64_t blocks() const { return maps.count * down() * across(); }
};
struct Job {
    Side sides[2];
    int64_t blocks[2];
};

// A block's tile.
struct Place {
    int64_t map, place, channel;
    __device__ Place(const Side& side, int64_t block)
        : map(block / side.across() / side.down()),
          place(block / side.across() % side.down() * kTile),
          channel(block % side.across() * kTile) {}
};

// body(side, tile) for every tile of this block.
template <typename Body>
__device__ void for_each_tile(const Job& job, Body body) {
    for (int64_t block = blockIdx.x; block < job.blocks[0] + job.blocks[1]; block += gridDim.x) {
        const bool second = block >= job.blocks[0];
        const Side& side = job.sides[second];
        body(side, Place(side, second ? block - job.blocks[0] : block));
    }
}

template <typename Source>
__device__ uint32_t magnitude(Source value) {
    return __float_as_uint(widen<float>(value)) & 0x7fffffffu;
}

// The largest of a map is the largest of its blocks' warps, whoever comes first.
__device__ void note_largest(uint32_t largest, uint32_t* of_map) {
    for (int distance = 16; distance > 0; distance /= 2) {
        largest = max(largest, __shfl_xor_sync(0xffffffffu, largest, distance));
    }
    if (threadIdx.x % 32 == 0 && largest != 0) atomicMax(of_map, largest);
}

__device__ uint16_t bits_of(__half value) { return __half_as_ushort(value); }
__device__ uint16_t bits_of(__nv_bfloat16 value) { return __bfloat16_as_ushort(value); }

// Stores a piece as the operand wants it.
template <typename Source>
__device__ void store(const Source (&values)[kWidth], float unscale, uint16_t* high,
                      uint16_t* low) {
    alignas(16) uint16_t first[kWidth];
    if constexpr (std::is_same_v<Source, float>) {
        alignas(16) uint16_t second[kWidth];
#pragma unroll
        for (int k = 0; k < kWidth; ++k) {
            const float scaled = values[k] * unscale;
            const __half leading = __float2half_rn(scaled);
            first[k] = bits_of(leading);
            second[k] = bits_of(__float2half_rn((scaled - __half2float(leading)) / kLowStep));
        }
        *reinterpret_cast<uint4*>(low) = *reinterpret_cast<const uint4*>(second);
    } else {
#pragma unroll
        for (int k = 0; k < kWidth; ++k) first[k] = bits_of(values[k]);
    }
    *reinterpret_cast<uint4*>(high) = *reinterpret_cast<const uint4*>(first);
}

// The places of a tile beyond the map repeat its last; the channels beyond it are zero.
template <typename Source>
__device__ Source read(const Side& side, const Source* map, int64_t place, int64_t channel) {
    if (channel >= side.maps.channels) return Source{};
    return map[min(place, side.maps.places - 1) * side.maps.place_stride +
               channel * side.maps.channel_stride];
}

// Eight neighbours, from `first` on, of which there are so many before the map's end.
template <typename Source>
__device__ bool read_at_once(const Source* first, int64_t left, Source (&values)[kWidth]) {
    if (left < kWidth) return false;
    constexpr int kVectors = static_cast<int>(kWidth * sizeof(Source) / sizeof(uint4));
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
        reinterpret_cast<uint4*>(values)[v] = reinterpret_cast<const uint4*>(first)[v];
    }
    return true;
}

// The tile in shared memory, [channel][place].
template <typename Source>
using Turned = Source[kTile][kPitch];

template <typename Source>
__device__ uint32_t read_tile(const Side& side, const Place& at, const Source* map,
                              Turned<Source>& tile) {
    uint32_t largest = 0;
    if (side.reading == Reading::kAlongPlaces) {
#pragma unroll
        for (int unit = threadIdx.x; unit < kUnits; unit += kThreads) {
            const int channel = unit / kPieces, place = unit % kPieces * kWidth;
            alignas(16) Source values[kWidth] = {};
            if (at.channel + channel < side.maps.channels) {
                const Source* line = map + (at.channel + channel) * side.maps.channel_stride;
                const int64_t first = at.place + place;
                if (!read_at_once(line + first, side.maps.places - first, values)) {
#pragma unroll
                    for (int k = 0; k < kWidth; ++k) {
                        values[k] = line[min(first + k, side.maps.places - 1)];
                    }
                }
            }
#pragma unroll
            for (int k = 0; k < kWidth; ++k) largest = max(largest, magnitude(values[k]));
            // In words, which lie in different banks.
            constexpr int kWords = static_cast<int>(kWidth * sizeof(Source) / sizeof(uint32_t));
#pragma unroll
            for (int word = 0; word < kWords; ++word) {
                reinterpret_cast<uint32_t*>(&tile[channel][place])[word] =
                    reinterpret_cast<const uint32_t*>(values)[word];
            }
        }
    } else {
        const bool along_places = side.maps.place_stride <= side.maps.channel_stride;
#pragma unroll 4
        for (int i = threadIdx.x; i < kTile * kTile; i += kThreads) {
            const int place = along_places ? i % kTile : i / kTile;
            const int channel = along_places ? i / kTile : i % kTile;
            const Source value = read(side, map, at.place + place, at.channel + channel);
            largest = max(largest, magnitude(value));
            tile[channel][place] = value;
        }
    }
    return largest;
}

// A unit's piece and place in the tile, such that 32 lanes store whole sectors and read other
// banks.
__device__ void unit_of(bool tiles, int unit, int& piece, int& place) {
    if (tiles) {
        piece = unit / kTile;
        place = unit % kTile;
    } else {
        piece = unit % 2 + unit / (2 * kTile) * 2;
        place = unit / 2 % kTile;
    }
}

template <typename Source>
__global__ void __launch_bounds__(kThreads) pack_operands_kernel(const __grid_constant__ Job job) {
    __shared__ Turned<Source> tile;
    constexpr bool kSplit = std::is_same_v<Source, float>;
    for_each_tile(job, [&](const Side& side, const Place& at) {
        const auto* map =
            static_cast<const Source*>(side.maps.data) + at.map * side.maps.map_stride;
        float unscale = 1;
        if (kSplit) {
            const Magnitudes all{side.largest, DType::kFloat32};
            unscale = 1.0f / __uint_as_float(all.scale_bits(at.map));
        }
        uint32_t largest = 0;
        const bool turned = side.reading != Reading::kAlongChannels;
        if (turned) {
            __syncthreads();  // the tile before has been stored
            largest = read_tile(side, at, map, tile);
            __syncthreads();
        }
#pragma unroll
        for (int unit = threadIdx.x; unit < kUnits; unit += kThreads) {
            int piece = 0, place = 0;
            unit_of(side.to.tiles, unit, piece, place);
            const int64_t channel = at.channel + piece * kWidth;
            if (at.place + place >= side.to.places || channel >= side.to.channels) continue;
            alignas(16) Source values[kWidth];
            if (turned) {
#pragma unroll
                for (int k = 0; k < kWidth; ++k) values[k] = tile[piece * kWidth + k][place];
            } else {
                const Source* line =
                    map + min(at.place + place, side.maps.places - 1) * side.maps.place_stride;
                if (!read_at_once(line + channel, side.maps.channels - channel, values)) {
#pragma unroll
                    for (int k = 0; k < kWidth; ++k) {
                        values[k] = read(side, map, at.place + place, channel + k);
                    }
                }
#pragma unroll
                for (int k = 0; k < kWidth; ++k) largest = max(largest, magnitude(values[k]));
            }
            const int64_t to =
                at.map * side.to.size() + side.to.at(at.place + place, channel / kWidth);
            store(values, unscale, side.high + to, side.low + to);
        }
        if (!kSplit) note_largest(largest, side.largest + at.map);
    });
}

// float32 maps are looked through before they are scaled.
__global__ void __launch_bounds__(kThreads) magnitudes_kernel(const __grid_constant__ Job job) {
    for_each_tile(job, [&](const Side& side, const Place& at) {
        const auto* map = static_cast<const float*>(side.maps.data) + at.map * side.maps.map_stride;
        const bool along_places = side.maps.place_stride <= side.maps.channel_stride;
        uint32_t largest = 0;
#pragma unroll 8
        for (int i = threadIdx.x; i < kTile * kTile; i += kThreads) {
            const int place = along_places ? i % kTile : i / kTile;
            const int channel = along_places ? i / kTile : i % kTile;
            largest =
                max(largest, magnitude(read(side, map, at.place + place, at.channel + channel)));
        }
        note_largest(largest, side.largest + at.map);
    });
}

int64_t padded(int64_t value, int64_t step) { return (value + step - 1) / step * step; }
bool is_split(const Maps& maps) { return maps.dtype == DType::kFloat32; }

Extent extent_of(const Maps& maps, const Packing& packing) {
    return {packing.tiles ? padded(maps.places, kTile) : maps.places,
            padded(maps.channels, packing.channel_step), packing.tiles};
}

constexpr int64_t kAlignment = 256;

// The flag, and each side's magnitudes: what must be zero before.
int64_t zeroed_bytes(const Maps* const* maps, int sides) {
    int64_t bytes = sizeof(int32_t);
    for (int i = 0; i < sides; ++i) bytes += maps[i]->count * int64_t(sizeof(uint32_t));
    return padded(bytes, kAlignment);
}
int64_t number_bytes(const Maps& maps, const Packing& packing) {
    return padded(maps.count * extent_of(maps, packing).size() * 2, kAlignment);
}

Reading reading_of(const Maps& maps) {
    const int64_t size = is_split(maps) ? 4 : 2;
    const auto fits = [&](int64_t stride) { return stride * size % sizeof(uint4) == 0; };
    const bool begins =
        reinterpret_cast<uintptr_t>(maps.data) % sizeof(uint4) == 0 && fits(maps.map_stride);
    if (begins && maps.channel_stride == 1 && fits(maps.place_stride)) {
        return Reading::kAlongChannels;
    }
    // Of float32 a warp reads 128 bytes either way.
    if (begins && !is_split(maps) && maps.place_stride == 1 && fits(maps.channel_stride)) {
        return Reading::kAlongPlaces;
    }
    return Reading::kSingly;
}

}  // namespace

int64_t operand_bytes(const Maps* const* maps, int sides, const Packing& packing) {
    int64_t bytes = zeroed_bytes(maps, sides);
    for (int i = 0; i < sides; ++i) {
        bytes += number_bytes(*maps[i], packing) * (is_split(*maps[i]) ? 2 : 1);
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
    for (int i = 0; i < sides; ++i) {
        const Maps& set = *maps[i];
        Side& side = job.sides[i];
        side.maps = set;
        side.reading = reading_of(set);
        side.to = extent_of(set, packing);
        side.high = reinterpret_cast<uint16_t*>(take(number_bytes(set, packing)));
        side.low =
            is_split(set) ? reinterpret_cast<uint16_t*>(take(number_bytes(set, packing))) : nullptr;
        side.largest = zeroed;
        zeroed += set.count;
        job.blocks[i] = side.blocks();
        operands[i] = {side.high,
                       side.low,
                       {side.largest, set.dtype},
                       set.count,
                       static_cast<int32_t>(set.places),
                       static_cast<int32_t>(side.to.channels)};
    }
    const cudaError_t error =
        cudaMemsetAsync(memory, 0, static_cast<size_t>(zeroed_bytes(maps, sides)), stream);
    if (error != cudaSuccess) return failed(error);
    const auto blocks =
        static_cast<unsigned>(std::min<int64_t>(job.blocks[0] + job.blocks[1], int64_t(1) << 20));
    switch (maps[0]->dtype) {
        case DType::kFloat16:
            return launch(pack_operands_kernel<__half>, blocks, kThreads, 0, stream, job);
        case DType::kBFloat16:
            return launch(pack_operands_kernel<__nv_bfloat16>, blocks, kThreads, 0, stream, job);
        case DType::kFloat32:
        case DType::kFloat64:  // has no tensor-core text
            break;
    }
    const Status status = launch(magnitudes_kernel, blocks, kThreads, 0, stream, job);
    if (status != Status::kOk) return status;
    return launch(pack_operands_kernel<float>, blocks, kThreads, 0, stream, job);
}

}  // namespace qaconv::cuda
